//! How ranks find each other: a store that rank 0 or the launcher serves, where each one says that it is there.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::c10d::Store;
use crate::meeting::{FAREWELL, LOOK, Meeting};
use crate::watch::{Watch, tell};
use crate::{Layout, MeshError, Place, Shape};

/// How long the connections of all ranks with each other may take, when all have come.
const CONNECTION: Duration = Duration::from_mins(2);

/// What transports bytes between ranks.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Shared memory where all ranks are on one machine, otherwise Gloo.
    #[default]
    Auto,
    /// libtorch's Gloo, over TCP.
    Gloo,
}

/// How the ranks of a training on several processes or machines work together.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeshSettings {
    /// What transports bytes between ranks: `auto` is shared memory where all are on one machine, otherwise `gloo`, over TCP. Results do not
    /// depend on it.
    pub backend: Backend,
    /// The axes along which ranks are counted, and how many there are along each: `rows:2,cols:2`. Without it there is one axis, `rows`, of all ranks.
    pub shape: Shape,
    /// Which dimensions are divided along which axis: `env:rows,h1:cols`, where `env` are the rows of environments and `h1` the units of the first
    /// hidden layer, or a layer's name; `auto` is the fastest by a short measurement.
    pub layout: Layout,
    /// Share of ranks whose finished rollouts end those of the others, once a quarter of them is there, as in DD-PPO; null waits for all. With it results
    /// depend on times.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1.0))]
    pub preempt: Option<f64>,
    /// Seconds that ranks which are late at the start are waited for.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub arrival_deadline: f64,
    /// Seconds without a sign of life after which a rank counts as ended, and the others stop.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub silence_deadline: f64,
}

impl Default for MeshSettings {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            shape: Shape::default(),
            layout: Layout::default(),
            preempt: None,
            arrival_deadline: 300.0,
            silence_deadline: 30.0,
        }
    }
}

/// How ranks meet.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// How they work together.
    pub settings: MeshSettings,
    /// What must be the same for all ranks, as lines of text: the program's version and configuration.
    pub identity: String,
}

impl JoinOptions {
    fn arrival(&self) -> Duration {
        Duration::from_secs_f64(self.settings.arrival_deadline)
    }
}

/// What a rank says of itself: host, boot and process namespace (which make one machine), number of its process, identity.
struct Card {
    machine: String,
    host: String,
    pid: u32,
    identity: String,
}

impl Card {
    fn own(identity: &str) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let host = read("/proc/sys/kernel/hostname");
        let machine = format!("{host} {} {}", read("/proc/sys/kernel/random/boot_id"), namespace.display());
        Self { machine, host, pid: std::process::id(), identity: identity.to_owned() }
    }

    fn write(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.machine, self.host, self.pid, self.identity)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '\n').map(str::to_owned);
        let (machine, host, pid, identity) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { machine, host, pid: pid.parse().ok()?, identity })
    }
}

/// Meets the other ranks; `waiting` is told now and then which have not come.
pub fn join(
    place: &Place,
    options: &JoinOptions,
    waiting: &mut dyn FnMut(&[usize]),
) -> Result<Arc<Meeting>, MeshError> {
    let address = place.address();
    let failed = |action| {
        let address = address.clone();
        move |reason: String| MeshError::Store { action, address, reason }
    };
    let serve = place.rank == 0 && !place.is_served;
    let action = if serve { "serve the store at" } else { "reach the store at" };
    let connect =
        |serve| Store::open(&place.host, place.port, serve, options.arrival()).map_err(failed(action));
    let store = Arc::new(connect(serve)?);
    let met = join_at(place, options, &store, &connect, waiting);
    if let Err(error) = &met {
        // Those that have come do not wait for this one.
        tell(&store, None, &format!("rank {} of {} did not join: {error}", place.rank, place.size));
    }
    met
}

/// Meets the others at a store.
fn join_at(
    place: &Place,
    options: &JoinOptions,
    store: &Arc<Store>,
    connect: &dyn Fn(bool) -> Result<Store, MeshError>,
    waiting: &mut dyn FnMut(&[usize]),
) -> Result<Arc<Meeting>, MeshError> {
    let address = place.address();
    let failed = |action| {
        let address = address.clone();
        move |reason: String| MeshError::Store { action, address, reason }
    };
    let prefix = format!("mesh/{}/", place.restarts);
    let own = Card::own(&options.identity);
    store
        .set(&format!("{prefix}here/{}", place.rank), own.write().as_bytes())
        .map_err(failed("write to the store at"))?;
    let cards = meet(place, store, &prefix, options.arrival(), waiting)?;
    if let Some(reason) = (0..place.size).find_map(|rank| differs(rank, &cards)) {
        return Err(MeshError::Lost { ended: None, reason });
    }
    let names: Vec<String> =
        cards.iter().enumerate().map(|(rank, card)| name(rank, place.size, card)).collect();
    let silence = Duration::from_secs_f64(options.settings.silence_deadline);
    let watch = Watch::begin(place, store.clone(), connect(false)?, names.clone(), silence);
    let machines = cards.iter().map(|card| card.machine.clone()).collect();
    let meeting = Meeting {
        place: place.clone(),
        store: store.clone(),
        prefix,
        machines,
        pids: cards.iter().map(|card| card.pid).collect(),
        names,
        watch: Arc::new(watch),
        backend: options.settings.backend,
        connection: CONNECTION.min(options.arrival()),
    };
    Ok(Arc::new(meeting))
}

/// The cards of all ranks, waited for.
fn meet(
    place: &Place,
    store: &Store,
    prefix: &str,
    arrival: Duration,
    waiting: &mut dyn FnMut(&[usize]),
) -> Result<Vec<Card>, MeshError> {
    let address = place.address();
    let failed = |reason| MeshError::Store { action: "read the store at", address: address.clone(), reason };
    let (begin, mut told) = (Instant::now(), Duration::ZERO);
    let mut cards: Vec<Option<Card>> = (0..place.size).map(|_| None).collect();
    loop {
        for (rank, card) in cards.iter_mut().enumerate().filter(|(_, card)| card.is_none()) {
            *card =
                store.text(&format!("{prefix}here/{rank}")).map_err(failed)?.as_deref().and_then(Card::read);
        }
        let missing: Vec<usize> = (0..place.size).filter(|&rank| cards[rank].is_none()).collect();
        if missing.is_empty() {
            let cards = cards.into_iter().flatten().collect();
            return all_have_met(place, store, prefix).map(|()| cards).map_err(failed);
        }
        if let Some(size) = store.text(&format!("{prefix}late")).map_err(failed)? {
            // Rank 0 has stopped waiting.
            let missing = size.split(' ').filter_map(|rank| rank.parse().ok()).collect();
            return Err(MeshError::Late { missing, size: place.size, address, seconds: arrival.as_secs() });
        }
        let waited = begin.elapsed();
        if waited > arrival {
            let seconds = arrival.as_secs();
            if place.rank == 0 {
                let ranks: Vec<String> = missing.iter().map(usize::to_string).collect();
                let _ = store.set(&format!("{prefix}late"), ranks.join(" ").as_bytes());
                std::thread::sleep(10 * LOOK);
            }
            return Err(MeshError::Late { missing, size: place.size, address, seconds });
        }
        if waited > told + Duration::from_secs(10) {
            told = waited;
            waiting(&missing);
        }
        std::thread::sleep(LOOK);
    }
}

/// Every rank has seen all cards. Rank 0, with which the store ends, waits for that: it may leave for what they say.
fn all_have_met(place: &Place, store: &Store, prefix: &str) -> Result<(), String> {
    store.set(&format!("{prefix}met/{}", place.rank), b"")?;
    let begin = Instant::now();
    let missing = |rank| store.has(&format!("{prefix}met/{rank}")).map(|has| !has);
    while place.rank == 0 && begin.elapsed() < FAREWELL {
        let missing: Vec<bool> = (0..place.size).map(missing).collect::<Result<_, _>>()?;
        if !missing.contains(&true) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// `rank 2 of 4 (process 77 on host)`.
fn name(rank: usize, size: usize, card: &Card) -> String {
    format!("rank {rank} of {size} (process {} on {})", card.pid, card.host)
}

/// How the identity of a rank differs from that of rank 0.
fn differs(rank: usize, cards: &[Card]) -> Option<String> {
    let (first, other) = (&cards[0].identity, &cards[rank].identity);
    if first == other {
        return None;
    }
    let mut lines = first.lines().zip(other.lines());
    let (a, b) = lines.find(|(a, b)| a != b).unwrap_or(("more lines", "fewer lines"));
    Some(format!(
        "rank {rank} is not trained as rank 0 is: it has `{}` where rank 0 has `{}`; start all ranks with the same command",
        b.trim(),
        a.trim()
    ))
}
