# Stands in for docker.io/library/mongo:8.0: FerretDB with a replica set and users in front of it, and the shell and
# tools that compose.yaml calls, with that image's user and folders.
FROM chat-stand-in/debian:trixie
RUN groupadd --system --gid 999 mongodb \
 && useradd --system --uid 999 --gid 999 --home-dir /data/db --shell /usr/sbin/nologin mongodb \
 && install -d -o mongodb -g mongodb /data/db /data/configdb
COPY ferretdb mongod mongosh mongodump mongorestore /usr/local/bin/
VOLUME /data/db /data/configdb
EXPOSE 27017
CMD ["mongod"]
