//! Compiles the C interface of libtorch's c10d.

use std::path::Path;

#[path = "../scripts/rpath.rs"]
mod rpath;

fn main() {
    rpath::main();
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    let include = Path::new(&lib).with_file_name("include");
    println!("cargo::rerun-if-changed=src/c10d");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .include("src/c10d")
        .file("src/c10d/shim.cpp")
        .flag("-isystem")
        .flag(&include)
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include"))
        .flag("-fvisibility=hidden")
        .warnings(false)
        .compile("mesh_c10d");
}
