//! Which pushes a client that was too slow has missed.

use crate::relay::endpoint::overflow::{Gap, Missed};
use crate::relay::hub::{Hub, Offsets, Topic};
use crate::relay::protocol::Reply;
use crate::ws::prepared::Prepared;

/// What tells of a gap: one message for each epoch in which something is missing, none where nothing is.
pub(super) fn lagged(hub: &Hub<Prepared>, topic: &Topic, gap: Gap) -> Vec<Prepared> {
    let said = |missed, counts, offsets: Option<&Offsets>| {
        let lagged = Reply::Lagged {
            topic,
            missed,
            counts,
            offsets: offsets.map(|run| (run.epoch, run.first, run.last)),
        };
        Prepared::text(&lagged.text(None))
    };
    let Missed { count, first, last } = match gap {
        Gap::Missed(missed) => missed,
        Gap::MissedUncounted(count) => return vec![said(count, false, None)],
        Gap::Skipped(_) => return Vec::new(),
    };
    let runs = hub.offsets(topic, first, last);
    let known = (runs.iter()).fold(0_u64, |sum, run| sum.saturating_add(run.count()));
    let is_known = known == last.saturating_sub(first).saturating_add(1);
    match &*runs {
        // There may be some between that were for everybody else.
        [run] if is_known => vec![said(count, true, Some(run))],
        runs if is_known && known == count => {
            let told = runs.iter().map(|run| said(run.count(), true, Some(run)));
            told.collect()
        }
        _ => vec![said(count, true, None)],
    }
}

#[cfg(all(test, not(wireline_loom)))]
mod tests {
    use super::*;
    use crate::relay::hub::{Count, HubConfig};

    fn told(hub: &Hub<Prepared>, topic: &Topic, (first, last, count): (u64, u64, u64)) -> String {
        let gap = Gap::Missed(Missed { count, first, last });
        let told = lagged(hub, topic, gap);
        let told = told.iter().map(|message| {
            let text = str::from_utf8(message.payload()).unwrap();
            let rest = text.strip_prefix(r#"{"type":"lagged","topic":"a","missed":"#);
            rest.unwrap().replace('"', "")
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_gap_has_the_offsets_of_each_epoch() {
        let (hub, topic) = (Hub::new(HubConfig::default()), Topic::new("a").unwrap());
        // A topic that is not there has none.
        assert_eq!(told(&hub, &topic, (4, 6, 3)), "3}");
        hub.adopt(&topic, 81, 20, Vec::new(), 0);
        assert_eq!(
            told(&hub, &topic, (1, 3, 3)),
            "3,epoch:81,first:21,last:23}"
        );
        // The client was left out of one of them.
        assert_eq!(
            told(&hub, &topic, (1, 3, 2)),
            "2,epoch:81,first:21,last:23}"
        );
        let publish = |epoch, offset| {
            let at = Count::At { epoch, offset };
            hub.publish_as(&topic, Prepared::text("x"), None, at, 0);
        };
        publish(81, 22);
        publish(90, 1);
        // Nobody has subscribed: nobody is told of the epoch before.
        assert_eq!(told(&hub, &topic, (2, 3, 2)), "2}");
        assert_eq!(told(&hub, &topic, (3, 3, 1)), "1,epoch:90,first:1,last:1}");
        let uncounted = lagged(&hub, &topic, Gap::MissedUncounted(4));
        assert_eq!(
            uncounted[0].payload(),
            &r#"{"type":"lagged","topic":"a","missed":4,"to":"all"}"#
        );
        assert!(lagged(&hub, &topic, Gap::Skipped(4)).is_empty());
    }
}
