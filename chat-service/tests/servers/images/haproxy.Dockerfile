# Stands in for docker.io/library/haproxy:3.0: Debian's HAProxy of that branch, with that image's user and command.
FROM chat-stand-in/debian:trixie
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends haproxy openssl \
 && rm -rf /var/lib/apt/lists/* /etc/haproxy \
 && groupmod --gid 99 haproxy \
 && usermod --uid 99 --gid 99 haproxy \
 && chown haproxy:haproxy /var/lib/haproxy
STOPSIGNAL SIGUSR1
USER haproxy
WORKDIR /var/lib/haproxy
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
