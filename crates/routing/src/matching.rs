//! Bringing two sides together so that no pair is left who would both rather have had each other.
//!
//! Deferred acceptance (D. Gale, L. S. Shapley, "College Admissions and the Stability of Marriage", 1962), callers asking: of all
//! stable outcomes each caller gets the best. Who is served at all is the same in every stable outcome.

/// Pairs callers with agents. `wishes[caller]` lists the agents that fit, best first; `rank(agent, caller)` is how the agent ranks the caller,
/// smaller first, never equal for two callers. Gives each caller's agent. At most one step per entry of `wishes`.
pub(crate) fn pair<K: Ord>(wishes: &[Vec<usize>], agents: usize, rank: impl Fn(usize, usize) -> K) -> Vec<Option<usize>> {
    let mut got: Vec<Option<usize>> = vec![None; wishes.len()];
    let mut asked: Vec<usize> = vec![0; wishes.len()];
    let mut holds: Vec<Option<usize>> = vec![None; agents];
    for first in 0..wishes.len() {
        let mut asking = Some(first);
        while let Some(caller) = asking {
            let Some(&agent) = wishes[caller].get(asked[caller]) else { break };
            asked[caller] += 1;
            let loser = match holds[agent] {
                None => None,
                Some(other) if rank(agent, caller) < rank(agent, other) => Some(other),
                Some(_) => continue,
            };
            holds[agent] = Some(caller);
            got[caller] = Some(agent);
            if let Some(loser) = loser {
                got[loser] = None;
            }
            asking = loser;
        }
    }
    got
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn two_who_both_prefer_the_other_ones_partner_do_not_block_each_other() {
        // Caller 0 would have agent 0, who would have caller 1; caller 1 would have agent 1, who would have caller 0.
        let wishes = [vec![0, 1], vec![1, 0]];
        let rank = |agent: usize, caller: usize| usize::from(agent == caller);
        assert_eq!(pair(&wishes, 2, rank), [Some(0), Some(1)], "callers get their wish: both outcomes are stable");
    }

    #[test]
    fn a_caller_who_loses_an_agent_asks_the_next() {
        let wishes = [vec![0, 1], vec![0]];
        assert_eq!(pair(&wishes, 2, |_, caller| 9 - caller), [Some(1), Some(0)]);
        assert_eq!(pair(&[vec![], vec![0]], 1, |_, caller| caller), [None, Some(0)]);
    }
}
