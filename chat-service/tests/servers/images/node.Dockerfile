# Stands in for docker.io/library/node:24-trixie-slim: the Node.js that this repository locks for machines without one.
FROM docker.io/library/python:3.13-slim-trixie
COPY node.txt /tmp/node.txt
RUN pip install --no-cache-dir --no-input --root-user-action ignore --require-hashes --requirement /tmp/node.txt \
 && rm /tmp/node.txt \
 && node --version \
 && npm --version
CMD ["node"]
