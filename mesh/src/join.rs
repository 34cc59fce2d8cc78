//! How ranks find each other: a store that rank 0 or the launcher serves, where each one says that it is there.

use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::c10d::{Group, Store};
use crate::gloo::Gloo;
use crate::shared::{Process, Segment, Shared};
use crate::watch::{Watch, tell};
use crate::{Collective, MeshError, Place};

/// Time between two looks at who has come.
const LOOK: Duration = Duration::from_millis(20);

/// How long the connections of all ranks with each other may take, when all have come.
const CONNECTION: Duration = Duration::from_mins(2);

/// How long rank 0 waits for the others to read what it read.
const FAREWELL: Duration = Duration::from_secs(10);

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
    /// Seconds that ranks which are late at the start are waited for.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub arrival_deadline: f64,
    /// Seconds without a sign of life after which a rank counts as ended, and the others stop.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub silence_deadline: f64,
}

impl Default for MeshSettings {
    fn default() -> Self {
        Self { backend: Backend::Auto, arrival_deadline: 300.0, silence_deadline: 30.0 }
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
) -> Result<Box<dyn Collective>, MeshError> {
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
) -> Result<Box<dyn Collective>, MeshError> {
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
    let watch = Arc::new(watch);
    let local_size = cards.iter().filter(|card| card.machine == own.machine).count();
    if options.settings.backend == Backend::Auto
        && local_size == place.size
        && let Some((segment, others)) = share((place, &watch), store, &prefix, &cards, &names)?
    {
        return Ok(Box::new(Shared::new(place, segment, others, watch)));
    }
    let host = own_address(place).map_err(|e| failed("reach")(e.to_string()))?;
    let group = Group::open(store, place.rank, place.size, &host, CONNECTION.min(options.arrival()));
    let group = group.map_err(|reason| watch.explain("connecting the ranks", reason))?;
    Ok(Box::new(Gloo::new(place, local_size, group, watch)))
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

/// Memory that all ranks share and the processes of the others, where every rank can have both.
fn share(
    (place, watch): (&Place, &Watch),
    store: &Store,
    prefix: &str,
    cards: &[Card],
    names: &[String],
) -> Result<Option<(Segment, Vec<Process>)>, MeshError> {
    let failed = |reason| MeshError::Store { action: "read the store at", address: place.address(), reason };
    // What another rank will write, unless it ends before.
    let wait = |key: &str| loop {
        if store.has(key).map_err(failed)? {
            return store.get(key, FAREWELL).map_err(failed);
        }
        if let Some(verdict) = watch.verdict() {
            return Err(verdict);
        }
        std::thread::sleep(LOOK / 4);
    };
    let key = format!("{prefix}memory");
    let segment = if place.rank == 0 {
        let created = Segment::create(place.size).ok();
        let path = created.as_ref().map_or(String::new(), |(_, path)| path.clone());
        store.set(&key, path.as_bytes()).map_err(failed)?;
        created.map(|(segment, _)| segment)
    } else {
        let path = wait(&key)?;
        Segment::open(&String::from_utf8_lossy(&path), place.size).ok()
    };
    let others = (0..place.size).filter(|&rank| rank != place.rank);
    let others: Option<Vec<Process>> =
        others.map(|rank| Process::open(cards[rank].pid, rank, &names[rank]).ok()).collect();
    let found = segment.zip(others);
    // All ranks or none.
    let has = |rank| format!("{prefix}has-memory/{rank}");
    store.set(&has(place.rank), &[u8::from(found.is_some())]).map_err(failed)?;
    let all: Vec<bool> =
        (0..place.size).map(|rank| wait(&has(rank)).map(|value| value == [1])).collect::<Result<_, _>>()?;
    Ok(found.filter(|_| !all.contains(&false)))
}

/// The address by which this machine reaches the store, and others reach it.
fn own_address(place: &Place) -> std::io::Result<String> {
    let socket = UdpSocket::bind(if place.host.contains(':') { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect((place.host.as_str(), place.port))?;
    Ok(socket.local_addr()?.ip().to_string())
}
