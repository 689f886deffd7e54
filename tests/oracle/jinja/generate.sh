#!/usr/bin/env bash
# Writes the expected results of the chat template tests. They are in the repository: run this only after changing cases.py or families.py.
set -euo pipefail
cd "$(dirname "$0")"
python3 -W ignore generate.py
npm ci --silent
node generate.mjs
