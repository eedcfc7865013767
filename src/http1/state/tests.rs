//! Every state with every transition: the legal moves are written down, everything else is refused.

use super::*;

const REQUESTS: [RequestHalf; 3] = [RequestHalf::Idle, RequestHalf::Body, RequestHalf::Done];
const RESPONSES: [ResponseHalf; 4] = [
    ResponseHalf::Idle,
    ResponseHalf::AwaitingFinal,
    ResponseHalf::Body,
    ResponseHalf::Done,
];
const LIVES: [Life; 4] = [
    Life::Persistent,
    Life::MustClose,
    Life::Closed,
    Life::Switched,
];
const TRANSITIONS: [(&str, Transition); 15] = [
    (
        "head",
        Transition::RequestHead {
            body: false,
            persistent: true,
        },
    ),
    (
        "head+body",
        Transition::RequestHead {
            body: true,
            persistent: true,
        },
    ),
    (
        "head-close",
        Transition::RequestHead {
            body: false,
            persistent: false,
        },
    ),
    (
        "head+body-close",
        Transition::RequestHead {
            body: true,
            persistent: false,
        },
    ),
    ("request-end", Transition::RequestEnd),
    ("last-request", Transition::LastRequest),
    ("refuse", Transition::Refuse),
    ("interim", Transition::Interim),
    (
        "final",
        Transition::Final {
            body: false,
            persistent: true,
        },
    ),
    (
        "final+body",
        Transition::Final {
            body: true,
            persistent: true,
        },
    ),
    (
        "final-close",
        Transition::Final {
            body: false,
            persistent: false,
        },
    ),
    ("switch", Transition::Switch),
    ("response-end", Transition::ResponseEnd),
    ("next-cycle", Transition::NextCycle),
    ("peer-closed", Transition::PeerClosed),
];

/// The legal moves. A state is written request/response/life, its halves by their first letters:
/// requests I B D, responses I A B D, lives P M C S; `close` is legal everywhere and left out.
const LEGAL: &str = "
    I/I/P head            D/A/P
    I/I/P head+body       B/A/P
    I/I/P head-close      D/A/M
    I/I/P head+body-close B/A/M
    I/I/P refuse          D/A/M
    I/I/M refuse          D/A/M
    I/I/P peer-closed     I/I/C
    I/I/M peer-closed     I/I/C
    B/A/P request-end     D/A/P
    B/A/M request-end     D/A/M
    B/B/P request-end     D/B/P
    B/B/M request-end     D/B/M
    B/D/P request-end     D/D/P
    B/D/M request-end     D/D/M
    B/A/P refuse          D/A/M
    B/A/M refuse          D/A/M
    B/B/P refuse          D/B/M
    B/B/M refuse          D/B/M
    B/D/P refuse          D/D/M
    B/D/M refuse          D/D/M
    D/A/P refuse          D/A/M
    D/A/M refuse          D/A/M
    D/B/P refuse          D/B/M
    D/B/M refuse          D/B/M
    D/D/P refuse          D/D/M
    D/D/M refuse          D/D/M
    B/A/P last-request    B/A/M
    B/A/M last-request    B/A/M
    D/A/P last-request    D/A/M
    D/A/M last-request    D/A/M
    B/A/P interim         B/A/P
    B/A/M interim         B/A/M
    D/A/P interim         D/A/P
    D/A/M interim         D/A/M
    B/A/P final           B/D/P
    B/A/M final           B/D/M
    D/A/P final           D/D/P
    D/A/M final           D/D/M
    B/A/P final+body      B/B/P
    B/A/M final+body      B/B/M
    D/A/P final+body      D/B/P
    D/A/M final+body      D/B/M
    B/A/P final-close     B/D/M
    B/A/M final-close     B/D/M
    D/A/P final-close     D/D/M
    D/A/M final-close     D/D/M
    D/A/P switch          D/D/S
    D/A/M switch          D/D/S
    B/B/P response-end    B/D/P
    B/B/M response-end    B/D/M
    D/B/P response-end    D/D/P
    D/B/M response-end    D/D/M
    D/D/P next-cycle      I/I/P
    B/A/P peer-closed     B/A/C
    B/A/M peer-closed     B/A/C
    B/B/P peer-closed     B/B/C
    B/B/M peer-closed     B/B/C
    B/D/P peer-closed     B/D/C
    B/D/M peer-closed     B/D/C
    D/A/P peer-closed     D/A/M
    D/A/M peer-closed     D/A/M
    D/B/P peer-closed     D/B/M
    D/B/M peer-closed     D/B/M
    D/D/P peer-closed     D/D/M
    D/D/M peer-closed     D/D/M
";

/// States that no sequence of transitions reaches; the table says nothing about them.
fn is_reachable(state: State) -> bool {
    reachable().contains(&state)
}

fn reachable() -> Vec<State> {
    let mut found = vec![State::default()];
    let mut next = 0;
    while let Some(state) = found.get(next).copied() {
        next += 1;
        for transition in TRANSITIONS
            .map(|(_, transition)| transition)
            .into_iter()
            .chain([Transition::Close])
        {
            let mut moved = state;
            if moved.apply(transition).is_ok() && !found.contains(&moved) {
                found.push(moved);
            }
        }
    }
    found
}

fn written(state: State) -> String {
    let request = ["I", "B", "D"][REQUESTS
        .iter()
        .position(|half| *half == state.request)
        .expect("listed")];
    let response = ["I", "A", "B", "D"][RESPONSES
        .iter()
        .position(|half| *half == state.response)
        .expect("listed")];
    let life = ["P", "M", "C", "S"][LIVES
        .iter()
        .position(|life| *life == state.life)
        .expect("listed")];
    format!("{request}/{response}/{life}")
}

#[test]
fn every_state_with_every_transition() {
    let legal: Vec<[&str; 3]> = LEGAL
        .lines()
        .filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok())
        .collect();
    let mut used = 0;
    for request in REQUESTS {
        for response in RESPONSES {
            for life in LIVES {
                let state = State {
                    request,
                    response,
                    life,
                };
                let idle = request == RequestHalf::Idle && response == ResponseHalf::Idle;
                if !(idle || is_reachable(state)) {
                    continue;
                }
                for (name, transition) in TRANSITIONS {
                    let expected = legal
                        .iter()
                        .find(|row| row[0] == written(state) && row[1] == name)
                        .map(|row| row[2]);
                    let mut moved = state;
                    let result = moved.apply(transition).ok().map(|()| written(moved));
                    assert_eq!(result.as_deref(), expected, "{} {name}", written(state));
                    used += usize::from(expected.is_some());
                    if expected.is_none() {
                        assert_eq!(moved, state, "an illegal transition moved the state");
                    }
                }
                let mut closed = state;
                assert_eq!(closed.apply(Transition::Close), Ok(()));
                assert_eq!(closed.life, Life::Closed);
            }
        }
    }
    assert_eq!(used, legal.len(), "a written move was never tried");
}

#[test]
fn nothing_is_legal_once_closed_but_close() {
    for life in [Life::Closed, Life::Switched] {
        for (name, transition) in TRANSITIONS {
            let mut state = State {
                life,
                ..State::default()
            };
            assert_eq!(state.apply(transition), Err(IllegalTransition), "{name}");
        }
    }
}
