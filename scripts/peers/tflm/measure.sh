#!/usr/bin/env bash
# TensorFlow Lite Micro beside the interpreter of policy files: `measure.sh MODEL.tflite [-Os]`, for a policy that chooses by four numbers, as
# `phalanx export RUN -o MODEL.tflite` writes it. Prints code and memory on a Cortex-M4F, and instructions of an invoke.
# Its sources, of 2020, are those of the crate tfmicro; needs gcc-arm-none-eabi and qemu-system-arm.
set -euo pipefail
model=$(realpath "$1") optimize=${2:--O2} here=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src && touch src/lib.rs
printf '[package]\nname = "sources"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\ntfmicro = "=0.1.0"\n' > Cargo.toml
cargo vendor --quiet vendor > /dev/null
root=vendor/tfmicro/submodules/tensorflow lite=$root/tensorflow/lite
third=$lite/micro/tools/make/downloads
flags="-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 $optimize -ffunction-sections -fdata-sections -w
    -DTF_LITE_STATIC_MEMORY -DTF_LITE_MCU_DEBUG_LOG -DGEMMLOWP_ALLOW_SLOW_SCALAR_FALLBACK
    -I$root -I$third/flatbuffers/include -I$third/gemmlowp -I$third/ruy"
cpp="-std=c++11 -fno-rtti -fno-exceptions -fno-threadsafe-statics -fno-use-cxa-atexit -funsigned-char -fpermissive"
link="-nostartfiles -T $here/link.ld -Wl,--gc-sections --specs=nano.specs --specs=nosys.specs"
for source in $lite/micro/*.cc $lite/micro/memory_planner/*.cc $lite/core/api/*.cc $lite/kernels/kernel_util.cc \
    $lite/micro/kernels/{fully_connected,tanh,arg_min_max}.cc $lite/kernels/internal/quantization_util.cc; do
    case $source in *_test.cc | *test_helpers.cc | *debug_log.cc | *micro_optional*) continue ;; esac
    arm-none-eabi-g++ $flags $cpp -c "$source" -o "$(basename "$source").o"
done
arm-none-eabi-gcc $flags -c $lite/c/common.c -o common.o
printf '.section .model,"a"\n.global model\n.balign 16\nmodel: .incbin "%s"\n' "$model" > model.S
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -c model.S -o model.o
echo 'int main() { for (;;) {} }' > empty.cc
arm-none-eabi-g++ $flags $cpp "$here/start.cc" empty.cc $link -o empty 2> /dev/null
arm-none-eabi-g++ $flags $cpp "$here/start.cc" "$here/main.cc" ./*.o $link -lm -o act 2> /dev/null
arm-none-eabi-g++ $flags $cpp -DMEASURE "$here/start.cc" "$here/main.cc" ./*.o $link -lm -o measure 2> /dev/null
text() { arm-none-eabi-size "$1" | awk 'NR == 2 { print $1 }'; }
echo "bytes of code: $(($(text act) - $(text empty) - $(stat -c %s "$model")))"
qemu-system-arm -cpu cortex-m4 -machine mps2-an386 -nographic -icount shift=0 \
    -semihosting-config enable=on,target=native -kernel measure
