//! P5: the strongly connected components of the graph of progress, by Tarjan's algorithm. Every fair run with finitely many faults ends in a
//! component that no step of progress leaves, whether it stops there or goes round: each of its states must be right.

use crate::explore::Visited;

/// No component yet.
const NONE: u32 = u32::MAX;

/// One component that was completed.
struct Component {
    /// No step leaves it.
    is_end: bool,
    /// Its first wrong state.
    wrong: Option<u32>,
}

/// The first wrong state within an end, if there is one.
pub(crate) fn worst_end(visited: &Visited) -> Option<u32> {
    let components = components(visited);
    components
        .into_iter()
        .filter(|component| component.is_end)
        .filter_map(|component| component.wrong)
        .min()
}

fn components(visited: &Visited) -> Vec<Component> {
    let count = visited.is_wrong.len();
    let (mut order, mut lowest) = (vec![0_u32; count], vec![0_u32; count]);
    let mut component_of = vec![NONE; count];
    let (mut open, mut calls) = (Vec::<u32>::new(), Vec::<(u32, u32)>::new());
    let mut found = Vec::new();
    let mut next_order = 0;
    for root in 0..visited.is_wrong.len() {
        if order[root] != 0 {
            continue;
        }
        let root = u32::try_from(root).expect("states are numbered by 32 bits");
        let mut entered = Some(root);
        loop {
            if let Some(state) = entered.take() {
                next_order += 1;
                order[state as usize] = next_order;
                lowest[state as usize] = next_order;
                open.push(state);
                calls.push((state, visited.heads[state as usize]));
            }
            let Some((state, edge)) = calls.last_mut() else {
                break;
            };
            let at = *state as usize;
            if *edge < visited.heads[at + 1] {
                let to = visited.successors[*edge as usize];
                *edge += 1;
                if order[to as usize] == 0 {
                    entered = Some(to);
                } else if component_of[to as usize] == NONE {
                    lowest[at] = lowest[at].min(order[to as usize]);
                }
                continue;
            }
            if lowest[at] == order[at] {
                let own = u32::try_from(found.len()).expect("there are no more components than states");
                let start = open
                    .iter()
                    .rposition(|member| *member as usize == at)
                    .expect("a state is open until its component is complete");
                let members = open.split_off(start);
                for member in &members {
                    component_of[*member as usize] = own;
                }
                found.push(complete(visited, &members, &component_of, own));
            }
            let low = lowest[at];
            calls.pop();
            if let Some((caller, _)) = calls.last() {
                let caller = *caller as usize;
                lowest[caller] = lowest[caller].min(low);
            }
        }
    }
    found
}

fn complete(visited: &Visited, members: &[u32], component_of: &[u32], own: u32) -> Component {
    let successors = |member: &u32| {
        let at = *member as usize;
        visited.heads[at] as usize..visited.heads[at + 1] as usize
    };
    let stays = |edge: usize| component_of[visited.successors[edge] as usize] == own;
    Component {
        is_end: members.iter().all(|member| successors(member).all(stays)),
        wrong: members
            .iter()
            .copied()
            .filter(|member| visited.is_wrong[*member as usize])
            .min(),
    }
}
