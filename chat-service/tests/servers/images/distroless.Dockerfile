# Stands in for gcr.io/distroless/python3-debian13:nonroot: made as that one is, from unpacked packages and nothing else.
FROM docker.io/library/python:3.13-slim-trixie AS unpacked
WORKDIR /work
RUN apt-get update \
 && apt-get download base-files ca-certificates libbz2-1.0 libc6 libexpat1 libffi8 libgcc-s1 liblzma5 \
        libncursesw6 libpython3.13-minimal libpython3.13-stdlib libreadline8t64 libsqlite3-0 libssl3t64 libstdc++6 \
        libtinfo6 libuuid1 libzstd1 media-types netbase python3.13-minimal tzdata zlib1g \
 && mkdir -p /root-fs/usr/bin /root-fs/usr/lib /root-fs/usr/sbin \
 && for name in bin lib sbin; do ln -s usr/$name /root-fs/$name; done \
 && if [ -e /lib64 ]; then mkdir /root-fs/usr/lib64 && ln -s usr/lib64 /root-fs/lib64; fi \
 && for package in *.deb; do dpkg-deb --fsys-tarfile "$package" | tar -C /root-fs -x --keep-directory-symlink; done \
 && ln -s python3.13 /root-fs/usr/bin/python3 \
 && ln -s python3.13 /root-fs/usr/bin/python \
 && rm -rf /root-fs/usr/share/doc /root-fs/usr/share/man /root-fs/usr/share/lintian \
 && mkdir -p /root-fs/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && printf '%s\n' 'root:x:0:0:root:/root:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' \
        >/root-fs/etc/passwd \
 && printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >/root-fs/etc/group \
 && mkdir -p /root-fs/tmp /root-fs/home/nonroot \
 && chmod 1777 /root-fs/tmp \
 && chown 65532:65532 /root-fs/home/nonroot

FROM scratch
COPY --from=unpacked /root-fs/ /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532
WORKDIR /home/nonroot
ENTRYPOINT ["/usr/bin/python3.13"]
