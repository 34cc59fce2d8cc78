//! Installs libtorch from wheels that pip fetches, without Python's torch: pinned versions, hashes checked by pip.
//!
//! Everything happens beside the final folder, which appears by one rename when it is complete. What a killed run
//! left behind is cleared by the next one; wheels that had arrived are kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{output, python, run};

/// Which libtorch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// CPU only: of the wheel just what a C++ program needs.
    Cpu,
    /// With the CUDA half and NVIDIA's libraries.
    Cuda,
}

impl Variant {
    /// Name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "libtorch-cpu",
            Self::Cuda => "libtorch-cuda",
        }
    }

    /// Its folder in the cache.
    pub fn folder(self, cache: &Path) -> PathBuf {
        cache.join(self.name())
    }

    /// Free disk space in bytes that the wheels, pip's temporary copy and the unpacked files need together.
    fn space(self) -> u64 {
        match self {
            Self::Cpu => 1_500_000_000,
            Self::Cuda => 8_000_000_000,
        }
    }
}

/// A kind of machine and its wheels, one `name==version --hash=sha256:...` a line.
struct Platform {
    /// What pip calls this kind of machine, newest first.
    tags: &'static [&'static str],
    cpu: &'static str,
    cuda: Option<&'static str>,
}

/// Any wheel of torch 2.11 holds the same C++ libraries; this Python's is taken, whatever Python runs pip.
const WHEEL_PYTHON: [&str; 6] = ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"];

const UNPACK: &str = include_str!("unpack.py");

fn platform(os: &str, arch: &str) -> Result<Platform> {
    Ok(match (os, arch) {
        ("linux", "x86_64") => Platform {
            tags: &[
                "manylinux_2_28_x86_64",
                "manylinux_2_27_x86_64",
                "manylinux_2_25_x86_64",
                "manylinux_2_18_x86_64",
                "manylinux2014_x86_64",
                "manylinux2010_x86_64",
                "manylinux1_x86_64",
            ],
            cpu: include_str!("../wheels/linux-x86_64.txt"),
            cuda: Some(include_str!("../wheels/linux-x86_64-cuda.txt")),
        },
        ("linux", "aarch64") => Platform {
            tags: &[
                "manylinux_2_28_aarch64",
                "manylinux_2_27_aarch64",
                "manylinux_2_25_aarch64",
                "manylinux_2_18_aarch64",
                "manylinux2014_aarch64",
            ],
            cpu: include_str!("../wheels/linux-aarch64.txt"),
            cuda: Some(include_str!("../wheels/linux-aarch64-cuda.txt")),
        },
        ("macos", "aarch64") => Platform {
            tags: &["macosx_14_0_arm64", "macosx_11_0_arm64"],
            cpu: include_str!("../wheels/macos-aarch64.txt"),
            cuda: None,
        },
        _ => bail!(
            "no libtorch is known for {os} on {arch}: install libtorch 2.11.0 yourself and set LIBTORCH to its folder"
        ),
    })
}

/// The requirements of a variant, without comments.
fn requirements(platform: &Platform, variant: Variant) -> Result<Vec<&'static str>> {
    let more = match (variant, platform.cuda) {
        (Variant::Cpu, _) => "",
        (Variant::Cuda, Some(more)) => more,
        (Variant::Cuda, None) => bail!("there is no CUDA on this machine's platform"),
    };
    let lines = platform.cpu.lines().chain(more.lines());
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
}

/// Installs a variant into its folder of the cache, unless the same is there.
///
/// # Errors
/// What is missing (Python, pip, space, network) and what to do about it.
pub fn install(cache: &Path, variant: Variant) -> Result<()> {
    let platform = platform(std::env::consts::OS, std::env::consts::ARCH)?;
    let requirements = requirements(&platform, variant)?;
    let folder = variant.folder(cache);
    // Says what the folder was made of: any change of the wheels or of the unpacking makes it anew.
    let recipe = format!("{}\n{UNPACK}", requirements.join("\n"));
    let stamp = "recipe.txt";
    if fs::read_to_string(folder.join(stamp)).is_ok_and(|old| old == recipe) {
        return Ok(());
    }
    eprintln!("Setting up libtorch in {} (once) ...", folder.display());
    let draft = cache.join(format!("{}.part", variant.name()));
    let wheels = cache.join("wheels");
    for leftover in [&folder, &draft] {
        remove(leftover)?;
    }
    check_python(cache, variant)?;
    let arrived = download(&requirements, &platform, cache, &wheels)?;
    unpack(&draft, variant, &arrived)?;
    fs::write(draft.join(stamp), recipe)
        .and_then(|()| fs::rename(&draft, &folder))
        .with_context(|| format!("cannot complete {}", folder.display()))?;
    remove(&wheels)?;
    eprintln!("libtorch is ready: {}", folder.join("torch").display());
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn check_python(cache: &Path, variant: Variant) -> Result<()> {
    let script = "import shutil, sys, zlib; print(shutil.disk_usage(sys.argv[1]).free)";
    let free = output(python(&["-c", script]).arg(cache)).context(
        "no python3: it fetches libtorch; install it (Debian, Ubuntu: apt install python3 python3-pip), \
         or set LIBTORCH to a libtorch 2.11.0 of your own",
    )?;
    output(&mut python(&["-m", "pip", "--version"])).context(
        "python3 has no pip: it fetches libtorch; install it (Debian, Ubuntu: apt install python3-pip; \
         elsewhere: python3 -m ensurepip)",
    )?;
    let free: u64 = free.trim().parse().context("python3 did not tell how much disk space is free")?;
    if free < variant.space() {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        bail!(
            "the disk is too full for libtorch: {:.1} GB are free at {}, {:.1} GB are needed while it is unpacked",
            gigabytes(free),
            cache.display(),
            gigabytes(variant.space())
        );
    }
    Ok(())
}

/// Fetches every wheel that has not arrived yet; returns their paths.
fn download(requirements: &[&str], platform: &Platform, cache: &Path, wheels: &Path) -> Result<Vec<PathBuf>> {
    // pip's own temporary files: in the cache, since /tmp may be small.
    let temporary = cache.join("pip.part");
    remove(&temporary)?;
    for folder in [wheels, &temporary] {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let list = temporary.join("requirement.txt");
    let mut arrived = Vec::new();
    for (number, requirement) in requirements.iter().enumerate() {
        let name = requirement.split_whitespace().next().unwrap_or_default();
        eprintln!("[{}/{}] {name}", number + 1, requirements.len());
        fs::write(&list, requirement).with_context(|| format!("cannot write {}", list.display()))?;
        // A folder each: which file is which wheel needs no guessing, and pip skips one that is there.
        let folder = wheels.join(name);
        let mut pip =
            python(&["-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]);
        pip.args(["--no-cache-dir", "--disable-pip-version-check", "--no-input"]).args(WHEEL_PYTHON);
        pip.args(platform.tags.iter().flat_map(|tag| ["--platform", tag]));
        pip.arg("--dest").arg(&folder).arg("--requirement").arg(&list);
        pip.env("TMPDIR", &temporary).env("PIP_REQUIRE_VIRTUALENV", "0");
        run(&mut pip).with_context(|| {
            format!("pip could not fetch {name} (its message is above); run the same command again to go on")
        })?;
        let files =
            fs::read_dir(&folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        arrived.append(&mut files.with_context(|| format!("cannot read {}", folder.display()))?);
    }
    remove(&temporary)?;
    Ok(arrived)
}

fn unpack(draft: &Path, variant: Variant, wheels: &[PathBuf]) -> Result<()> {
    eprintln!("Unpacking ...");
    let mode = if variant == Variant::Cuda { "cuda" } else { "cpu" };
    run(python(&["-c", UNPACK]).arg(draft).arg(mode).args(wheels))
        .with_context(|| format!("cannot unpack libtorch into {}", draft.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PLATFORMS: [(&str, &str); 3] = [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64")];

    #[test]
    fn every_wheel_is_pinned_to_one_version_and_one_hash() {
        for (os, arch) in PLATFORMS {
            let platform = platform(os, arch).unwrap();
            let variant = if platform.cuda.is_some() { Variant::Cuda } else { Variant::Cpu };
            let requirements = requirements(&platform, variant).unwrap();
            assert!(requirements[0].starts_with("torch==2.11.0 "), "{os} {arch}");
            for line in requirements {
                let (name, hash) = line.split_once(" --hash=sha256:").unwrap();
                assert!(name.contains("==") && !name.contains('*'), "{line}");
                assert!(hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{line}");
            }
        }
    }

    #[test]
    fn a_machine_without_a_known_wheel_is_told_about_libtorch() {
        let error = platform("linux", "riscv64").err().unwrap().to_string();
        assert!(error.contains("riscv64") && error.contains("set LIBTORCH"), "{error}");
    }

    /// A zip file with these members, one byte each.
    fn wheel(path: &Path, members: &[&str]) {
        let script = "import sys, zipfile\n\
                      with zipfile.ZipFile(sys.argv[1], 'w') as z: [z.writestr(m, 'x') for m in sys.argv[2:]]";
        run(python(&["-c", script]).arg(path).args(members)).unwrap();
    }

    #[test]
    fn only_what_a_cpu_program_needs_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("torch.whl");
        let kept = [
            "torch/include/torch/torch.h",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libgomp.so.1",
            "nvidia/cu13/lib/libcudart.so.13",
        ];
        let left_out = [
            "torch/nn/modules.py",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_python.so",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cupti.h",
        ];
        wheel(&archive, &[&kept[..], &left_out[..], &["torch/lib/libtorch.so"]].concat());
        let draft = folder.path().join("draft");
        unpack(&draft, Variant::Cpu, &[archive]).unwrap();
        for file in kept {
            assert!(draft.join(file).exists(), "{file}");
        }
        for file in left_out {
            assert!(!draft.join(file).exists(), "{file}");
        }
        assert_eq!(fs::read_to_string(draft.join("torch/build-version")).unwrap(), "2.11.0\n");
        if cfg!(target_os = "linux") {
            let script = fs::read_to_string(draft.join("torch/lib/libtorch.so")).unwrap();
            assert_eq!(script, "INPUT(libtorch_cpu.so libc10.so)\n");
        }
    }

    #[test]
    fn a_wheel_with_another_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        wheel(&folder.path().join("torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl"), &["torch/evil"]);
        let platform = platform("linux", "x86_64").unwrap();
        let requirement = format!(
            "{}\n--no-index\n--find-links {}",
            requirements(&platform, Variant::Cpu).unwrap()[0],
            folder.path().display()
        );
        let wheels = folder.path().join("wheels");
        let error = download(&[&requirement], &platform, folder.path(), &wheels).unwrap_err();
        assert!(error.to_string().contains("could not fetch torch==2.11.0"), "{error}");
        assert!(
            fs::read_dir(&wheels)
                .unwrap()
                .all(|entry| fs::read_dir(entry.unwrap().path()).unwrap().count() == 0)
        );
    }
}
