//! Compiles `cuda/*.cu`: with the feature `cuda` by nvcc for GPUs, with the feature `host` by a C compiler
//! for tests. Without either there is nothing to do.

#[allow(dead_code, missing_docs, reason = "the crate has it in full")]
#[path = "src/variant.rs"]
mod variant;

fn main() {
    for path in ["build.rs", "src/variant.rs", "cuda", "host"] {
        println!("cargo::rerun-if-changed={path}");
    }
    #[cfg(feature = "host")]
    host::build();
    #[cfg(feature = "cuda")]
    cuda::build();
}

#[cfg(any(feature = "host", feature = "cuda"))]
fn out(name: &str) -> std::path::PathBuf {
    std::path::Path::new(&std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(name)
}

#[cfg(feature = "host")]
mod host {
    use super::{out, variant};
    use std::fmt::Write as _;
    use std::fs;

    /// A library of all variants, and a table of their kernels by name.
    pub fn build() {
        let mut build = cc::Build::new();
        build.std("c11").opt_level(2).include("cuda").include("host").files(["host/run.c", "host/wrong.c"]);
        // As on GPUs, where an element is read as whatever moves it; and sums are as they stand there.
        build.flag("-fno-strict-aliasing").flag("-ffp-contract=off");
        let (mut declared, mut listed) = (String::new(), String::new());
        let mut add = |function: &str| {
            let _ = writeln!(declared, "    fn {function}(arguments: *const c_void);");
            let _ = writeln!(listed, "    (\"{function}\", {function}),");
        };
        ["wrong_without_barrier", "wrong_divergent"].iter().for_each(|function| add(function));
        for variant in variant::all() {
            let folder = std::env::current_dir().expect("a folder");
            let mut source = String::new();
            for (name, value) in variant.definitions() {
                let _ = writeln!(source, "#define {name} {value}");
            }
            let file = folder.join("cuda").join(format!("{}.cu", variant.file));
            let _ = writeln!(source, "#include \"{}\"", file.display());
            let path = out(&format!("{}.c", variant.module()));
            fs::write(&path, source).expect("OUT_DIR can be written");
            build.file(path);
            variant.functions().iter().for_each(|function| add(function));
        }
        let table = format!(
            "unsafe extern \"C\" {{\n{declared}}}\n\n/// Kernels by name.\nconst KERNELS: &[(&str, Kernel)] = \
             &[\n{listed}];\n"
        );
        fs::write(out("host_kernels.rs"), table).expect("OUT_DIR can be written");
        build.compile("bolid_kernels_host");
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use super::{out, variant};
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Mutex;

    /// A binary of each variant for several architectures, and a table of them by name.
    pub fn build() {
        let nvcc = nvcc();
        for name in ["CUDA_COMPUTE_CAP", "CUDA_HOME", "CUDA_PATH", "NVCC"] {
            println!("cargo::rerun-if-env-changed={name}");
        }
        let architectures = architectures();
        let jobs = std::env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
        let variants = variant::all();
        let rest = Mutex::new(variants.iter());
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(variant) = { rest.lock().expect("no thread panics").next() } {
                        compile(&nvcc, variant, &architectures);
                    }
                });
            }
        });
        let mut table =
            String::from("/// Compiled kernels by module.\nconst MODULES: &[(&str, &[u8])] = &[\n");
        for variant in &variants {
            let module = variant.module();
            let _ = writeln!(
                table,
                "    (\"{module}\", include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{module}.fatbin\"))),"
            );
        }
        table.push_str("];\n");
        fs::write(out("cuda_modules.rs"), table).expect("OUT_DIR can be written");
    }

    fn compile(nvcc: &Path, variant: &variant::Variant, architectures: &[String]) {
        let mut command = Command::new(nvcc);
        command.args(["-fatbin", "-O3", "-std=c++17", "-lineinfo"]).args(architectures);
        command.args(variant.definitions().iter().map(|(name, value)| format!("-D{name}={value}")));
        command.arg("-o").arg(out(&format!("{}.fatbin", variant.module())));
        command.arg(Path::new("cuda").join(format!("{}.cu", variant.file)));
        let status = command.status().unwrap_or_else(|cause| {
            panic!("{}: {cause}; `make build-cuda` puts a toolkit together, or set CUDA_HOME", nvcc.display())
        });
        assert!(status.success(), "nvcc could not compile {}: {command:?}", variant.module());
    }

    /// Where candle's own kernels are compiled with it.
    fn nvcc() -> PathBuf {
        if let Some(nvcc) = std::env::var_os("NVCC") {
            return nvcc.into();
        }
        let homes = ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(PathBuf::from);
        let found = homes.chain(["/usr/local/cuda".into()]).map(|home| home.join("bin/nvcc"));
        found.into_iter().find(|nvcc| nvcc.exists()).unwrap_or_else(|| "nvcc".into())
    }

    /// Machine code for the oldest GPUs asked for and for Hopper, and PTX for what follows. bf16 needs 8.0.
    fn architectures() -> Vec<String> {
        let asked = std::env::var("CUDA_COMPUTE_CAP").unwrap_or_default();
        let digits: String = asked.chars().filter(char::is_ascii_digit).collect();
        let oldest = digits.parse::<u32>().unwrap_or(80).max(80);
        let newest = oldest.max(90);
        let mut found: Vec<String> = vec![format!("-gencode=arch=compute_{oldest},code=sm_{oldest}")];
        if newest != oldest {
            found.push(format!("-gencode=arch=compute_{newest},code=sm_{newest}"));
        }
        found.push(format!("-gencode=arch=compute_{newest},code=compute_{newest}"));
        found
    }
}
