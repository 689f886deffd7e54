# Sourced by ./conclave and ./test.

# Ends with exit code 2 and advice where the .NET SDK that global.json asks for cannot be used. $1: the root of the checkout.
require_sdk() {
  export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
  # Where the official install script puts it, if nothing else provides one.
  if ! command -v dotnet >/dev/null 2>&1 && [ -x "${DOTNET_ROOT:-$HOME/.dotnet}/dotnet" ]; then
    PATH="${DOTNET_ROOT:-$HOME/.dotnet}:$PATH"
  fi
  # Looking at the folders costs a millisecond; starting dotnet would cost a hundred.
  local command folder
  if command=$(command -v dotnet 2>/dev/null); then
    folder=$command
    if [ -L "$folder" ]; then folder=$(readlink -f "$command" 2>/dev/null || echo "$command"); fi
    if compgen -G "${folder%/*}/sdk/10.0.*" >/dev/null; then return 0; fi
    if (cd "$1" && dotnet --version) >/dev/null 2>&1; then return 0; fi
    echo "error: 'dotnet' is $command, but it has no .NET 10 SDK" >&2
  else
    echo "error: Conclave needs the .NET 10 SDK; there is no 'dotnet' command" >&2
  fi
  cat >&2 <<'ADVICE'

Get it in one of these ways, then run the same command again:
  Debian, Ubuntu  sudo apt-get install dotnet-sdk-10.0
                  (Debian needs Microsoft's feed first: https://learn.microsoft.com/dotnet/core/install/linux-debian)
  Fedora, RHEL    sudo dnf install dotnet-sdk-10.0
  Alpine          sudo apk add dotnet10-sdk
  macOS           brew install dotnet-sdk
  Windows         winget install Microsoft.DotNet.SDK.10
  without root    curl -sSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0
ADVICE
  exit 2
}
