//! `cargo xtask install`: the C library of `deploy/capi`, as programs outside the checkout use it.
//!
//! Without the program `phalanx`, which needs the libtorch of this checkout.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, ensure};

use crate::process::{cargo, root, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What programs include: C, C++, and the source of Fortran's module.
const INCLUDES: [&str; 3] = ["phalanx_policy.h", "phalanx_policy.hpp", "phalanx_policy.f90"];

/// Builds the library and installs it below `prefix`: `lib`, `include` and `lib/pkgconfig`.
///
/// # Errors
/// A folder that cannot be written, or a build that failed, with cargo's messages above.
pub fn install(prefix: &str) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the library is installed on Linux only; elsewhere, build it by \
         `cargo build --release --package phalanx-capi` and use it from target/release"
    );
    let prefix = std::path::absolute(prefix).context("--prefix needs a folder")?;
    let shown = prefix.to_str().unwrap_or_default();
    let allowed = |c: char| c.is_alphanumeric() || "/._-+~@,".contains(c);
    ensure!(
        !shown.is_empty() && shown.chars().all(allowed),
        "--prefix is {}: pkg-config cannot print paths with spaces or other special characters so that compilers read them",
        prefix.display()
    );
    // Before the build, so that a folder that cannot be written is an error at once.
    let include = root().join("deploy/capi/include");
    for name in INCLUDES {
        place(&prefix, &format!("include/{name}"), |to| fs::copy(include.join(name), to).map(drop))?;
    }
    place(&prefix, "lib/pkgconfig/phalanx_policy.pc", |to| fs::write(to, description(shown)))?;

    let (library, soname) = names();
    let built = build(&soname)?;
    place(&prefix, "lib/libphalanx_policy.a", |to| copy(&built, "libphalanx_policy.a", to))?;
    place(&prefix, &format!("lib/{library}"), |to| copy(&built, "libphalanx_policy.so", to))?;
    place(&prefix, &format!("lib/{soname}"), |to| symlink(&library, to))?;
    place(&prefix, "lib/libphalanx_policy.so", |to| symlink(&soname, to))?;
    println!(
        "\nFor pkg-config, and for programs that start where the system does not look into {shown}/lib:\n"
    );
    println!("export PKG_CONFIG_PATH={shown}/lib/pkgconfig");
    println!("export LD_LIBRARY_PATH={shown}/lib");
    Ok(())
}

/// Name of the shared library, and the one that programs ask for. Versions 0.x are compatible within one x.
fn names() -> (String, String) {
    let compatible = VERSION.rsplit_once('.').map_or(VERSION, |(compatible, _)| compatible);
    (format!("libphalanx_policy.so.{VERSION}"), format!("libphalanx_policy.so.{compatible}"))
}

/// The folder of the libraries, with a target folder of their own: in the usual one, programs are linked with a library
/// that has no version.
fn build(soname: &str) -> Result<PathBuf> {
    let target = root().join("target/install");
    let mut command = cargo(&["rustc", "--release", "--package", "phalanx-capi", "--lib", "--target-dir"]);
    command.arg(&target).args(["--", "-C", &format!("link-arg=-Wl,-soname,{soname}")]);
    run(&mut command)?;
    Ok(target.join("release"))
}

/// What pkg-config reads.
fn description(prefix: &str) -> String {
    format!(
        "prefix={prefix}\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: phalanx_policy\n\
         Description: Policies that Phalanx trained, for programs in C and in whatever calls C\n\
         Version: {VERSION}\n\
         Libs: -L${{libdir}} -lphalanx_policy\n\
         Libs.private: -lpthread -ldl -lm\n\
         Cflags: -I${{includedir}}\n"
    )
}

fn copy(folder: &Path, name: &str, to: &Path) -> io::Result<()> {
    fs::copy(folder.join(name), to).map(drop)
}

/// Makes a file below the prefix, and prints its path. It replaces an older one by a rename: programs that run keep theirs.
fn place(prefix: &Path, name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let path = prefix.join(name);
    let draft = path.with_added_extension("part");
    let placed = fs::create_dir_all(path.parent().unwrap_or(prefix))
        .and_then(|()| {
            fs::remove_file(&draft).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
        })
        .and_then(|()| make(&draft))
        .and_then(|()| fs::rename(&draft, &path));
    placed.with_context(|| {
        format!("cannot write {}: give --prefix a folder where you may write", path.display())
    })?;
    println!("{}", path.display());
    Ok(())
}
