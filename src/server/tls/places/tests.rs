//! Who gets a place, and when.

use super::*;
use crate::resource::addr::ConnInfo;
use crate::resource::budget::Budget;
use std::net::SocketAddr;
use std::task::Waker;

struct Client {
    name: &'static str,
    slot: Arc<Slot>,
    place: Place,
}

/// Clients of these addresses, in the order in which they come to places of which there are `limit`.
fn come(worker: &Worker, places: &Arc<Places>, names: &[&'static str]) -> Vec<Client> {
    let one = |name: &&'static str| one(worker, places, name, name.as_bytes()[0]);
    names.iter().map(one).collect()
}

fn one(worker: &Worker, places: &Arc<Places>, name: &'static str, last: u8) -> Client {
    let info = ConnInfo {
        peer: SocketAddr::from(([192, 0, 2, last], 1)).into(),
        ..ConnInfo::default()
    };
    let mut client = Client {
        name,
        slot: worker.register(info),
        place: Place::Wanted,
    };
    let _ = poll(worker, places, &mut client);
    client
}

fn poll(worker: &Worker, places: &Arc<Places>, client: &mut Client) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let Client { slot, place, .. } = client;
    places.poll_take(&mut cx, place, slot, worker).is_ready()
}

fn holders(worker: &Worker, places: &Arc<Places>, clients: &mut [Client]) -> Vec<usize> {
    (0..clients.len())
        .filter(|at| poll(worker, places, &mut clients[*at]))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_client_has_its_turn() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(1));
    let mut clients = come(&worker, &places, &["a", "a", "a", "a", "b", "c", "b"]);
    let mut order = String::new();
    while !clients.is_empty() {
        let holders = holders(&worker, &places, &mut clients);
        assert_eq!(holders.len(), 1, "after {order}");
        order.push_str(clients.remove(holders[0]).name);
    }
    assert_eq!(order, "aabcaba");
    let inner = places.inner();
    assert_eq!(
        (inner.free, inner.lines.len(), inner.turns.len()),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_places_are_for_those_who_have_few() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(16));
    let mut greedy = come(&worker, &places, &["a"; 40]);
    assert_eq!(holders(&worker, &places, &mut greedy).len(), 14);
    let mut others = come(&worker, &places, &["b", "c", "d"]);
    assert_eq!(holders(&worker, &places, &mut others), [0, 1]);
    // What one of them leaves is the next one's, and what all leave stays free.
    others.remove(0);
    assert_eq!(holders(&worker, &places, &mut others), [0, 1]);
    others.clear();
    assert_eq!(holders(&worker, &places, &mut greedy).len(), 14);
    assert_eq!(places.inner().free, 2);
    // His own are his again.
    greedy.remove(0);
    assert_eq!(holders(&worker, &places, &mut greedy).len(), 14);
    greedy.clear();
    let inner = places.inner();
    assert_eq!(
        (inner.free, inner.lines.len(), inner.turns.len()),
        (16, 0, 0)
    );
}

/// Fifty who want all that there is leave enough to one who wants little.
#[tokio::test(start_paused = true)]
async fn many_who_want_all_have_the_same() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(512));
    let mut crowd: Vec<_> = (0..2500_u32)
        .map(|number| {
            let last = u8::try_from(10 + number % 50).unwrap_or_default();
            one(&worker, &places, "crowd", last)
        })
        .collect();
    let held = holders(&worker, &places, &mut crowd).len();
    assert!((500..512).contains(&held), "{held}");
    for _ in 0..3 {
        let mut client = one(&worker, &places, "client", 1);
        assert!(poll(&worker, &places, &mut client));
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_keeps_nobody_waiting() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(2));
    let mut clients = come(&worker, &places, &["a", "b", "a", "a", "c", "c", "d"]);
    // The whole line of c, one of a, and then a holder, whose place goes to the a that is left.
    drop(clients.drain(4..6));
    clients.remove(2);
    clients.remove(0);
    assert_eq!(holders(&worker, &places, &mut clients), [0, 1]);
    // A place that was given to d, which goes before it has looked.
    clients.remove(0);
    clients.remove(1);
    assert_eq!(places.inner().free, 1);
    clients.clear();
    let inner = places.inner();
    assert_eq!(
        (inner.free, inner.lines.len(), inner.turns.len()),
        (2, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_has_been_there_for_long_is_hurried() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(1));
    let mut clients = come(&worker, &places, &["a", "b"]);
    for _ in 0..3 {
        tokio::time::advance(LOOK).await;
        assert!(!poll(&worker, &places, &mut clients[1]));
        assert!(!clients[0].place.is_over());
    }
    tokio::time::advance(LOOK * 2).await;
    assert!(!poll(&worker, &places, &mut clients[1]));
    assert!(clients[0].place.is_over());
    clients.remove(0);
    assert!(poll(&worker, &places, &mut clients[0]));
}

/// Places are free, but not for one that has so many: it makes room for itself.
#[tokio::test(start_paused = true)]
async fn a_crowd_of_one_client_hurries_nobody_else() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(16));
    let mut honest = come(&worker, &places, &["b"]);
    let mut greedy = come(&worker, &places, &["a"; 40]);
    tokio::time::sleep(HONEST * 3).await;
    holders(&worker, &places, &mut greedy);
    assert!(poll(&worker, &places, &mut honest[0]));
    assert!(!honest[0].place.is_over());
    assert!(greedy.iter().any(|client| client.place.is_over()));
}

#[tokio::test(start_paused = true)]
async fn those_who_came_together_are_not_hurried_together() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(4));
    let clients = come(&worker, &places, &["a", "b", "c", "d", "e"]);
    tokio::time::advance(HONEST).await;
    for hurried in 1..=4 {
        for _ in 0..10 {
            places.hurry_the_longest(None);
        }
        let over = clients.iter().filter(|client| client.place.is_over());
        assert_eq!(over.count(), hurried);
        tokio::time::advance(HONEST / 4).await;
    }
}

/// A connection that is established while another looks whom to hurry has a deadline of its own.
#[tokio::test(start_paused = true)]
async fn who_has_left_his_place_is_not_hurried() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let places = Arc::new(Places::new(2));
    let mut clients = come(&worker, &places, &["a", "b", "c"]);
    tokio::time::advance(HONEST).await;
    // What the handshake does at its end; the connection goes on, and its slot with it.
    clients[0].place = Place::Wanted;
    places.hurry_the_longest(None);
    assert!(clients[1].place.is_over());
    assert!(!clients[0].place.is_over());
    for client in &clients {
        assert!(!client.slot.is_due(u32::MAX));
    }
}
