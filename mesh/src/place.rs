//! Which rank a process is, by the environment that its launcher has made.

use std::net::TcpListener;
use std::time::SystemTime;

use crate::MeshError;

/// Where the store listens unless the environment says otherwise.
const PORT: u16 = 29_500;

/// A rank's place among all ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Number of this rank, from 0.
    pub rank: usize,
    /// Ranks in all.
    pub size: usize,
    /// Number of this rank on its machine, from 0: the one that chooses its GPU.
    pub local_rank: usize,
    /// Host of the store.
    pub host: String,
    /// Port of the store.
    pub port: u16,
    /// Whether the launcher serves the store; otherwise rank 0 does.
    pub is_served: bool,
    /// How often the launcher has started these ranks again.
    pub restarts: u64,
}

/// Names of a launcher's variables: rank, ranks in all, rank on its machine.
struct Names {
    launcher: &'static str,
    rank: &'static str,
    size: &'static str,
    local: &'static str,
}

/// The launchers that are known, the most explicit one first.
const LAUNCHERS: [Names; 4] = [
    Names { launcher: "torchrun", rank: "RANK", size: "WORLD_SIZE", local: "LOCAL_RANK" },
    Names {
        launcher: "Open MPI",
        rank: "OMPI_COMM_WORLD_RANK",
        size: "OMPI_COMM_WORLD_SIZE",
        local: "OMPI_COMM_WORLD_LOCAL_RANK",
    },
    // A batch script of Slurm's has a SLURM_PROCID of 0, too; only steps that srun starts have a number of tasks of their own.
    Names { launcher: "Slurm", rank: "SLURM_PROCID", size: "SLURM_STEP_NUM_TASKS", local: "SLURM_LOCALID" },
    Names { launcher: "PMI", rank: "PMI_RANK", size: "PMI_SIZE", local: "MPI_LOCALRANKID" },
];

impl Place {
    /// The place that the environment of this process names; nothing where it has one rank or none.
    ///
    /// # Errors
    /// [`MeshError::Place`] naming the variable that is missing or wrong.
    pub fn from_env() -> Result<Option<Self>, MeshError> {
        Self::find(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn find(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, MeshError> {
        let named = |names: &&Names| get(names.rank).is_some() && get(names.size).is_some();
        let Some(names) = LAUNCHERS.iter().find(named) else { return Ok(None) };
        let count = |name: &str| number::<usize>(name, get);
        let (rank, size) = (count(names.rank)?.unwrap_or(0), count(names.size)?.unwrap_or(1));
        if rank >= size {
            let (rank_is, size_is) = (names.rank, names.size);
            return Err(MeshError::Place(format!(
                "{rank_is} is {rank} and {size_is} is {size}: ranks count from 0, so it must be less"
            )));
        }
        if size == 1 {
            return Ok(None);
        }
        let host = get("MASTER_ADDR").or_else(|| first_host(names, get)).ok_or_else(|| {
            MeshError::Place(format!(
                "{} says that this is rank {rank} of {size}, but not where rank 0 is: set MASTER_ADDR to the host or address of rank 0",
                names.launcher
            ))
        })?;
        Ok(Some(Self {
            rank,
            size,
            local_rank: count(names.local)?.unwrap_or(0),
            host,
            port: number::<u16>("MASTER_PORT", get)?.unwrap_or_else(|| own_port(get)),
            is_served: get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True"),
            restarts: count("TORCHELASTIC_RESTART_COUNT")?.unwrap_or(0) as u64,
        }))
    }

    /// Host and port of the store.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A port of 127.0.0.1 that is free, and not one of those that systems give to outgoing connections, which could take it meanwhile.
///
/// # Errors
/// [`MeshError::Place`] when none of many is free.
pub fn free_port() -> Result<u16, MeshError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let first = now ^ std::process::id().wrapping_mul(2_654_435_761);
    let ports = (0..100).map(|i| 15_000 + (first.wrapping_add(i * 7919) % 10_000) as u16);
    let mut free = ports.filter(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    free.next().ok_or_else(|| MeshError::Place("no port of 127.0.0.1 from 15000 to 25000 is free".into()))
}

fn number<T: std::str::FromStr>(
    name: &str,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<T>, MeshError> {
    let parse = |value: String| {
        value.parse().map_err(|_| {
            MeshError::Place(format!("{name} is {value:?}, which is no number of a rank or port"))
        })
    };
    get(name).map(parse).transpose()
}

/// The host of rank 0 where the launcher says it otherwise than by `MASTER_ADDR`.
fn first_host(names: &Names, get: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    match names.launcher {
        "Slurm" => get("SLURM_STEP_NODELIST").map(|list| first_of(&list)),
        // All ranks on this machine.
        "Open MPI" if get("OMPI_COMM_WORLD_LOCAL_SIZE") == get(names.size) => Some("127.0.0.1".to_owned()),
        "PMI" if get("MPI_LOCALNRANKS") == get(names.size) => Some("127.0.0.1".to_owned()),
        _ => None,
    }
}

/// The first host of a list of Slurm's: `gpu[03-05,9],cpu1` begins with `gpu03`.
fn first_of(list: &str) -> String {
    let end = list.find([',', '[']).unwrap_or(list.len());
    let (name, rest) = list.split_at(end);
    let Some(numbers) = rest.strip_prefix('[') else { return name.to_owned() };
    let first = numbers.split([',', '-', ']']).next().unwrap_or_default();
    format!("{name}{first}")
}

/// A port for the ranks of one job, so that two jobs on a machine have two: of the job's number or name.
fn own_port(get: &dyn Fn(&str) -> Option<String>) -> u16 {
    let job = get("SLURM_JOB_ID").map(|job| format!("{job}.{}", get("SLURM_STEP_ID").unwrap_or_default()));
    let Some(job) = job.or_else(|| get("PMIX_NAMESPACE")) else { return PORT };
    let hash = job.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    20_000 + (hash % 10_000) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<Option<Place>, MeshError> {
        let get = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Place::find(&get)
    }

    fn place(variables: &[(&str, &str)]) -> Place {
        find(variables).expect("a place").expect("more than one rank")
    }

    #[test]
    fn torchrun_names_all() {
        let agent = [("TORCHELASTIC_USE_AGENT_STORE", "True"), ("TORCHELASTIC_RESTART_COUNT", "2")];
        let own = [
            ("RANK", "3"),
            ("WORLD_SIZE", "8"),
            ("LOCAL_RANK", "1"),
            ("MASTER_ADDR", "node7"),
            ("MASTER_PORT", "1234"),
        ];
        let found = place(&[&own[..], &agent].concat());
        let expected = Place {
            rank: 3,
            size: 8,
            local_rank: 1,
            host: "node7".into(),
            port: 1234,
            is_served: true,
            restarts: 2,
        };
        assert_eq!(found, expected);
        assert_eq!(place(&own).port, 1234);
    }

    #[test]
    fn slurm_and_open_mpi_are_understood() {
        let slurm = [
            ("SLURM_PROCID", "5"),
            ("SLURM_STEP_NUM_TASKS", "6"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_STEP_NODELIST", "gpu[03-05,9],cpu1"),
            ("SLURM_JOB_ID", "77"),
            ("SLURM_STEP_ID", "0"),
        ];
        let found = place(&slurm);
        assert_eq!((found.rank, found.size, found.local_rank, &*found.host), (5, 6, 1, "gpu03"));
        assert!((20_000..30_000).contains(&found.port));
        // A batch script without srun.
        assert_eq!(find(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "6")]).expect("no place"), None);
        let mpi = [
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ];
        assert_eq!(place(&mpi).host, "127.0.0.1");
        let wide = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")];
        let error = find(&[&wide[..], &[("OMPI_COMM_WORLD_LOCAL_SIZE", "1")]].concat()).expect_err("no host");
        assert!(error.to_string().contains("MASTER_ADDR"), "{error}");
    }

    #[test]
    fn hosts_of_slurm() {
        for (list, first) in [("a", "a"), ("a,b", "a"), ("n[1-4]", "n1"), ("n[08,11-12],m1", "n08")] {
            assert_eq!(first_of(list), first);
        }
    }

    #[test]
    fn wrong_variables_are_named() {
        let error = find(&[("RANK", "x"), ("WORLD_SIZE", "2")]).expect_err("no number").to_string();
        assert!(error.contains("RANK is \"x\""), "{error}");
        let error = find(&[("RANK", "2"), ("WORLD_SIZE", "2")]).expect_err("too large").to_string();
        assert!(error.contains("RANK is 2 and WORLD_SIZE is 2"), "{error}");
        assert_eq!(find(&[("RANK", "0"), ("WORLD_SIZE", "1")]).expect("one rank"), None);
        assert_eq!(find(&[]).expect("none"), None);
    }
}
