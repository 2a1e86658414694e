#!/usr/bin/env bash
# Puts together what `make build-cuda` compiles with, from the wheels of NVIDIA's toolkit (104 MB, 270 MB unpacked).
# usage: cuda_toolkit.sh FOLDER     needs pip and a C compiler, and the sources of the crates (`cargo fetch`)
#
# No GPU and no driver are needed: the program is linked against stand-ins of the real names, and finds the real ones
# where it runs. Those are the driver's, the runtime, cuBLAS, cuRAND and NVRTC of CUDA 13, cuDNN 9, and NCCL 2 where it is
# asked for. With the folder's lib/stubs and lib in LD_LIBRARY_PATH the program also starts on a machine without a driver,
# and finds no card there.
set -euo pipefail

VERSION=13.0
WHEELS=(nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm nvidia-cuda-runtime nvidia-cuda-cccl)
# cudarc's module, the library's name for the linker, its name at run time.
LIBRARIES=(
  "driver   cuda     libcuda.so.1"
  "cublas   cublas   libcublas.so.13"
  "cublaslt cublasLt libcublasLt.so.13"
  "curand   curand   libcurand.so.10"
  "nvrtc    nvrtc    libnvrtc.so.13"
  "cudnn    cudnn    libcudnn.so.9"
  "nccl     nccl     libnccl.so.2"
)

[ $# -eq 1 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
folder=$1
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$work/wheels" \
  "${WHEELS[@]/%/==$VERSION.*}"
for wheel in "$work"/wheels/*.whl; do "$python" -m zipfile -e "$wheel" "$work/unpacked"; done

toolkit=$work/unpacked/nvidia/cu13
mkdir -p "$toolkit/lib/stubs"
chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
ln -sfn lib "$toolkit/lib64"
ln -sf libcudart.so.13 "$toolkit/lib/libcudart.so"

# A function for each that cudarc declares; each says CUDA_ERROR_NO_DEVICE.
cudarc=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-0.19.*/src | sort -V | tail -n 1)
for library in "${LIBRARIES[@]}"; do
  read -r module name soname <<< "$library"
  grep -ohE 'pub unsafe fn (cu|nvrtc|nccl)[A-Za-z0-9_]+' "$cudarc/$module"/sys/*.rs | awk '{print $4}' | sort -u |
    sed 's/.*/int &(void) { return 100; }/' > "$work/$name.c"
  "${CC:-cc}" -shared -fPIC -Wl,-soname,"$soname" -o "$toolkit/lib/stubs/lib$name.so" "$work/$name.c"
  ln -s "lib$name.so" "$toolkit/lib/stubs/$soname"
done

# Whole or not at all: make takes the folder's nvcc as the sign that it is there.
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
mv "$toolkit" "$folder"
"$folder/bin/nvcc" --version | tail -n 2
