#!/usr/bin/env bash
# Puts Restate's server and SDK where `npm run bench -- operations` looks for them. It is 216 MB, so it is no dependency.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p .cache/restate
cd .cache/restate
[ -f package.json ] || echo '{ "private": true }' >package.json
npm install --no-audit --no-fund --loglevel=error "@restatedev/restate-server-linux-$(node -p process.arch)@1.7.12" "@restatedev/restate-sdk@1.17.2"
