# Stands in for docker.io/library/redis:8.2: Debian's Redis, with that image's user and folder.
FROM chat-stand-in/debian:trixie
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* /etc/redis /var/lib/redis \
 && groupmod --gid 999 redis \
 && usermod --uid 999 --gid 999 --home /data redis \
 && install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
