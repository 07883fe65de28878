#!/bin/sh
# usage: sh deploy/assemble.sh FOLDER
# Lays out what an image needs under FOLDER/opt/weft: the programs as built, the descriptors they read, the pinned
# runtime, the script that starts them. Run it in a built checkout; the programs find each other by their place beside the script.
set -eu
[ $# -eq 1 ] || { echo "usage: sh deploy/assemble.sh FOLDER" >&2; exit 2; }
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
to=$1/opt/weft
runtime=
for candidate in "$root"/node_modules/node-linux-*/bin/node; do [ -x "$candidate" ] && runtime=$candidate; done
[ -n "$runtime" ] || { echo "no pinned runtime for Linux under node_modules: run 'node tools/with-runtime.mjs' first" >&2; exit 1; }
[ -f "$root/dist/cp.mjs" ] || { echo "nothing is built: run 'node tools/with-runtime.mjs' first" >&2; exit 1; }
package=$(basename "$(dirname "$(dirname "$runtime")")")
mkdir -p "$to/node_modules/$package/bin" "$to/dist" "$to/bin" "$to/proto"
cp -L "$runtime" "$to/node_modules/$package/bin/node"
ln -sf "../node_modules/$package/bin/node" "$to/bin/node"
cp "$root"/dist/*.mjs "$root"/dist/*.txt "$root/dist/built" "$to/dist/"
cp -R "$root"/proto/*.binpb.br "$root/proto/kuma" "$root/proto/weft" "$to/proto/"
cp "$root/weft" "$root/LICENSE" "$root/NOTICE" "$to/"
# compiled once here instead of at the start of every container; elsewhere than in its final folder this warms nothing and harms nothing
for mode in global zone; do KUMA_MODE=$mode "$root/weft" cp run --print-config >/dev/null; done
[ ! -d "$root/dist/compiled" ] || cp -R "$root/dist/compiled" "$to/dist/compiled"
