#!/bin/sh
# Builds the reference firmware: build.sh OUT makes OUT/meso-gun-mps2.elf and .bin.
# Needs gcc-arm-none-eabi; CROSS names another tool chain's prefix.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out=${1:?usage: build.sh OUT}
cross=${CROSS:-arm-none-eabi-}
mkdir -p "$out"
elf="$out/meso-gun-mps2.elf"
"${cross}gcc" -std=c99 -mcpu=cortex-m3 -mthumb -Os -g -ffreestanding -fno-builtin \
    -fno-tree-loop-distribute-patterns -ffunction-sections -fdata-sections \
    -Wall -Wextra -Wconversion -Werror -nostdlib -T "$here/mps2.ld" \
    -I "$here/include" -Wl,--gc-sections -Wl,--build-id=none -Wl,--fatal-warnings -o "$elf" \
    "$here"/*.c "$here"/../meso_*.c -lgcc
"${cross}objcopy" -O binary "$elf" "$out/meso-gun-mps2.bin"
"${cross}size" "$elf"
