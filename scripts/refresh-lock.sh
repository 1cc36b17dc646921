#!/usr/bin/env bash
# Writes package-lock.json anew from the manifests alone, in a folder without node_modules: npm leaves the packages of
# other platforms out of a lock file it writes beside an installed tree, and `npm ci` then refuses it everywhere.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$root"
cp package.json .npmrc "$folder"
for manifest in packages/*/package.json examples/*/package.json bench/package.json; do
  mkdir -p "$folder/$(dirname "$manifest")"
  cp "$manifest" "$folder/$manifest"
done
cd "$folder"
npm install --package-lock-only --ignore-scripts --loglevel=error
cp package-lock.json "$root/package-lock.json"
