//! Installs native libraries from wheels that pip fetches, without the Python packages: pinned versions, hashes checked
//! by pip.
//!
//! Everything happens beside the final folder, which appears by one rename when it is complete. What a killed run
//! left behind is cleared by the next one; wheels that had arrived are kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{output, python, run};

/// What is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// libtorch for the CPU only: of the wheel just what a C++ program needs.
    LibtorchCpu,
    /// libtorch with the CUDA half and NVIDIA's libraries.
    LibtorchCuda,
    /// The physics of the `MuJoCo` environments.
    Mujoco,
}

impl Library {
    /// Name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::LibtorchCpu => "libtorch-cpu",
            Self::LibtorchCuda => "libtorch-cuda",
            Self::Mujoco => "mujoco",
        }
    }

    /// Its folder in the cache.
    pub fn folder(self, cache: &Path) -> PathBuf {
        cache.join(self.name())
    }

    /// What people call it.
    fn called(self) -> &'static str {
        match self {
            Self::LibtorchCpu | Self::LibtorchCuda => "libtorch",
            Self::Mujoco => "MuJoCo",
        }
    }

    /// What to do where it cannot be installed.
    fn instead(self) -> &'static str {
        match self {
            Self::LibtorchCpu | Self::LibtorchCuda => "set LIBTORCH to a libtorch 2.11.0 of your own",
            Self::Mujoco => "set MUJOCO_DYNAMIC_LINK_DIR to the folder of a libmujoco 3.17.0 of your own",
        }
    }

    /// Free disk space in bytes that the wheels, pip's temporary copy and the unpacked files need together.
    fn space(self) -> u64 {
        match self {
            Self::LibtorchCpu => 1_500_000_000,
            Self::LibtorchCuda => 8_000_000_000,
            Self::Mujoco => 100_000_000,
        }
    }

    /// The Python script that unpacks its wheels; its arguments are a folder, `cpu`, `cuda` or `mujoco`, and the wheels.
    fn unpacking(self) -> &'static str {
        match self {
            Self::LibtorchCpu | Self::LibtorchCuda => include_str!("unpack.py"),
            Self::Mujoco => include_str!("unpack_mujoco.py"),
        }
    }
}

/// A kind of machine and its wheels, one `name==version --hash=sha256:...` a line.
struct Platform {
    /// What pip calls this kind of machine, newest first.
    tags: &'static [&'static str],
    cpu: &'static str,
    cuda: Option<&'static str>,
    mujoco: &'static str,
}

/// The wheels of all Pythons hold the same native libraries; this one's are taken, whatever Python runs pip.
const WHEEL_PYTHON: [&str; 6] = ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"];

fn platform(os: &str, arch: &str, library: Library) -> Result<Platform> {
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
            mujoco: include_str!("../wheels/linux-x86_64-mujoco.txt"),
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
            mujoco: include_str!("../wheels/linux-aarch64-mujoco.txt"),
        },
        ("macos", "aarch64") => Platform {
            tags: &["macosx_14_0_arm64", "macosx_11_0_arm64"],
            cpu: include_str!("../wheels/macos-aarch64.txt"),
            cuda: None,
            mujoco: include_str!("../wheels/macos-aarch64-mujoco.txt"),
        },
        _ => bail!("no {} is known for {os} on {arch}: {}", library.called(), library.instead()),
    })
}

/// The requirements of a library, without comments.
fn requirements(platform: &Platform, library: Library) -> Result<Vec<&'static str>> {
    let lists = match (library, platform.cuda) {
        (Library::LibtorchCpu, _) => [platform.cpu, ""],
        (Library::LibtorchCuda, Some(more)) => [platform.cpu, more],
        (Library::LibtorchCuda, None) => bail!("there is no CUDA on this machine's platform"),
        (Library::Mujoco, _) => [platform.mujoco, ""],
    };
    let lines = lists.into_iter().flat_map(str::lines);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
}

/// Installs a library into its folder of the cache, unless the same is there.
///
/// # Errors
/// What is missing (Python, pip, space, network) and what to do about it.
pub fn install(cache: &Path, library: Library) -> Result<()> {
    let platform = platform(std::env::consts::OS, std::env::consts::ARCH, library)?;
    let requirements = requirements(&platform, library)?;
    let folder = library.folder(cache);
    // Records what the folder was made of: after any change of the wheels or of the unpacking it is made anew.
    let recipe = format!("{}\n{}", requirements.join("\n"), library.unpacking());
    let stamp = "recipe.txt";
    if fs::read_to_string(folder.join(stamp)).is_ok_and(|old| old == recipe) {
        return Ok(());
    }
    eprintln!("Setting up {} in {} (once) ...", library.called(), folder.display());
    let draft = cache.join(format!("{}.part", library.name()));
    let wheels = cache.join("wheels");
    for leftover in [&folder, &draft] {
        remove(leftover)?;
    }
    check_python(cache, library)?;
    let arrived = download(&requirements, &platform, cache, &wheels)?;
    unpack(&draft, library, &arrived)?;
    fs::write(draft.join(stamp), recipe)
        .and_then(|()| fs::rename(&draft, &folder))
        .with_context(|| format!("cannot complete {}", folder.display()))?;
    remove(&wheels)?;
    eprintln!("{} is ready: {}", library.called(), folder.display());
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

fn check_python(cache: &Path, library: Library) -> Result<()> {
    let called = library.called();
    let script = "import shutil, sys, zlib; print(shutil.disk_usage(sys.argv[1]).free)";
    let free = output(python(&["-c", script]).arg(cache)).with_context(|| {
        format!(
            "no python3: it fetches {called}; install it (Debian, Ubuntu: apt install python3 python3-pip), or {}",
            library.instead()
        )
    })?;
    output(&mut python(&["-m", "pip", "--version"])).with_context(|| {
        format!(
            "python3 has no pip: it fetches {called}; install it (Debian, Ubuntu: apt install python3-pip; elsewhere: \
             python3 -m ensurepip)"
        )
    })?;
    let free: u64 = free.trim().parse().context("python3 did not report the free disk space")?;
    if free < library.space() {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        bail!(
            "the disk is too full for {called}: {:.1} GB are free at {}, {:.1} GB are needed while it is unpacked",
            gigabytes(free),
            cache.display(),
            gigabytes(library.space())
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

fn unpack(draft: &Path, library: Library, wheels: &[PathBuf]) -> Result<()> {
    eprintln!("Unpacking ...");
    let variant = library.name().trim_start_matches("libtorch-");
    run(python(&["-c", library.unpacking()]).arg(draft).arg(variant).args(wheels))
        .with_context(|| format!("cannot unpack {} into {}", library.called(), draft.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PLATFORMS: [(&str, &str); 3] = [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64")];

    #[test]
    fn every_wheel_is_pinned_to_one_version_and_one_hash() {
        for (os, arch) in PLATFORMS {
            for (library, first) in [
                (Library::LibtorchCpu, "torch==2.11.0 "),
                (Library::LibtorchCuda, "torch==2.11.0 "),
                (Library::Mujoco, "mujoco==3.17.0 "),
            ] {
                let platform = platform(os, arch, library).unwrap();
                if library == Library::LibtorchCuda && platform.cuda.is_none() {
                    continue;
                }
                let requirements = requirements(&platform, library).unwrap();
                assert!(requirements[0].starts_with(first), "{os} {arch}");
                for line in requirements {
                    let (name, hash) = line.split_once(" --hash=sha256:").unwrap();
                    assert!(name.contains("==") && !name.contains('*'), "{line}");
                    assert!(hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_machine_without_a_known_wheel_is_told_what_to_do() {
        for (library, words) in [
            (Library::LibtorchCpu, ["no libtorch is known", "set LIBTORCH"]),
            (Library::Mujoco, ["no MuJoCo is known", "set MUJOCO_DYNAMIC_LINK_DIR"]),
        ] {
            let error = platform("linux", "riscv64", library).err().unwrap().to_string();
            assert!(error.contains("riscv64") && words.iter().all(|word| error.contains(word)), "{error}");
        }
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
        unpack(&draft, Library::LibtorchCpu, &[archive]).unwrap();
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
    fn of_mujoco_the_library_and_its_licences_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("mujoco.whl");
        let file = if cfg!(target_os = "macos") { "libmujoco.3.17.0.dylib" } else { "libmujoco.so.3.17.0" };
        wheel(
            &archive,
            &[
                &format!("mujoco/{file}"),
                "mujoco/plugin/libsensor.so",
                "mujoco-3.17.0.dist-info/licenses/LICENSE",
            ],
        );
        let draft = folder.path().join("draft");
        unpack(&draft, Library::Mujoco, &[archive]).unwrap();
        let linked = if cfg!(target_os = "macos") { "libmujoco.dylib" } else { "libmujoco.so" };
        assert_eq!(fs::read_to_string(draft.join("lib").join(linked)).unwrap(), "x");
        assert_eq!(fs::read_to_string(draft.join("LICENSE")).unwrap(), "x");
        assert!(!draft.join("mujoco").exists());
    }

    #[test]
    fn a_wheel_with_another_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        wheel(&folder.path().join("torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl"), &["torch/evil"]);
        let platform = platform("linux", "x86_64", Library::LibtorchCpu).unwrap();
        let requirement = format!(
            "{}\n--no-index\n--find-links {}",
            requirements(&platform, Library::LibtorchCpu).unwrap()[0],
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
