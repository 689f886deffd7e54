# Sourced by ./test.

# Installs UCX, and what scripts/hosts needs, where they are missing and that is possible; says what to do where it is not. The tests that need them then fail with the same advice.
require_ucx() {
  local missing=
  ldconfig -p 2>/dev/null | grep -q 'libucp\.so\.0' || missing="libucx0"
  command -v tc >/dev/null 2>&1 && command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
  [ -z "$missing" ] && return 0
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
    echo "installing what the tests of ranks need: apt-get install" $missing >&2
    apt-get install -y -q $missing >/dev/null 2>&1 || { apt-get update -q && apt-get install -y -q $missing; } >/dev/null 2>&1 ||
      echo "error:" $missing "could not be installed with apt-get; the tests of ranks need it" >&2
  else
    echo "error: the tests of ranks need UCX and iproute2; install them, on Debian by 'sudo apt-get install libucx0 iproute2', and run the same command again" >&2
  fi
}
