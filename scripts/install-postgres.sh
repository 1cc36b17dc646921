#!/usr/bin/env bash
# Puts a PostgreSQL server on a Debian machine, for the tests of the outbox. Does nothing where there is one.
set -eu
if command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then exit 0; fi
# The tests start servers of their own; none is to run beside them.
mkdir -p /etc/postgresql-common
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
