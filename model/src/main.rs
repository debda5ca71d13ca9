//! `big`: the larger explorations, as a table. `trace RULE`: what happens without a rule. Nothing else lives here.

use connection_tracker_model::*;
fn run(name: &str, protocol: Protocol, early: bool, show: bool) {
    let t = std::time::Instant::now();
    let e = explore(&protocol, 8_000_000, early);
    println!("{name:<70} {:>9}{} {:>3} {:>6.2}s {}", e.states, if e.is_cut {"+"} else {" "}, e.depth, t.elapsed().as_secs_f32(), e.broken.iter().map(|b| b.0.to_string()[..2].to_string()).collect::<Vec<_>>().join(" "));
    if show { for (n, t) in &e.broken { println!("-- {n}\n{t}"); } }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let filter = args.get(2).cloned().unwrap_or_default();
    let show = args.get(3).is_some();
    let b = Size::SMALLEST;
    let s2 = Size { sweepers: 2, ..b };
    let sizes: Vec<(&str, Size)> = vec![
        ("1sw 1wk 1c f1", b),
        ("2sw 1wk 1c f1", s2),
        ("1sw 1wk 2c f1", Size { connections: 2, ..b }),
        ("1sw 2wk 2c f1", Size { connections: 2, wakers: 2, ..b }),
        ("1sw 1wk 1c f1 slow", Size { starts_slowly: true, ..b }),
        ("2sw 1wk 2c f1", Size { connections: 2, ..s2 }),
        ("1sw 1wk 1c f1 hand1", Size { hands: 1, ..b }),
        ("1sw 1wk 2c f1 hand1", Size { hands: 1, connections: 2, ..b }),
        ("1sw 1wk 1c f1 hand2", Size { hands: 2, ..b }),
        ("1sw 1wk 2c f0 hand2", Size { hands: 2, connections: 2, faults: 0, ..b }),
        ("1sw 1wk 1c f0 hand1 watch2", Size { hands: 1, watches: 2, faults: 0, ..b }),
        ("1sw 1wk 1c f1 loss1", Size { losses: 1, ..b }),
        ("1sw 1wk 2c f1 loss1", Size { losses: 1, connections: 2, ..b }),
        ("1sw 1wk 2c f0 loss1 ann1", Size { losses: 1, annotations: 1, connections: 2, faults: 0, ..b }),
        ("1sw 1wk 1c f1 ann1", Size { annotations: 1, ..b }),
        ("1sw 1wk 2c f1 ann1", Size { annotations: 1, connections: 2, ..b }),
        ("1sw 1wk 1c f0 failover", Size { failovers: 1, faults: 0, ..b }),
        ("1sw 1wk 2c f0 failover", Size { failovers: 1, faults: 0, connections: 2, ..b }),
        ("1sw 1wk 1c f1 failover", Size { failovers: 1, ..b }),
        ("1sw 1wk 2c f1 limit1", Size { start_limits: 1, connections: 2, ..b }),
        ("1sw 1wk 1c f1 limit2", Size { start_limits: 2, ..b }),
        ("1sw 1wk 2c f1 op1", Size { operators: 1, connections: 2, ..b }),
        ("1sw 1wk 2c f2", Size { faults: 2, connections: 2, ..b }),
        ("1sw 1wk 2c f1 slow", Size { starts_slowly: true, connections: 2, ..b }), ("1sw 1wk 1c f0 hand2 watch2", Size { hands: 2, watches: 2, faults: 0, ..b }), ("1sw 1wk 1c f1 limit1 slow", Size { start_limits: 1, starts_slowly: true, ..b }),
    ];
    let sc = Size { fence: Fence::Timeout, ..b };
    let scales: Vec<(&str, Size)> = vec![
        ("SC 1sw 1wk 1c f1", sc),
        ("SC 2sw 1wk 1c f1", Size { sweepers: 2, ..sc }),
        ("SC 1sw 1wk 2c f1", Size { connections: 2, ..sc }),
        ("SC 1sw 2wk 2c f0", Size { connections: 2, wakers: 2, faults: 0, ..sc }),
        ("SC 1sw 1wk 1c f1 slow", Size { starts_slowly: true, ..sc }),
        ("SC 1sw 1wk 1c f1 hand1", Size { hands: 1, ..sc }),
        ("SC 1sw 1wk 1c f1 loss1", Size { losses: 1, ..sc }),
        ("SC 1sw 1wk 2c f0 loss1", Size { losses: 1, connections: 2, faults: 0, ..sc }),
        ("SC 1sw 1wk 1c f1 failover", Size { failovers: 1, ..sc }),
        ("SC 1sw 1wk 1c f0 hand2", Size { hands: 2, faults: 0, ..sc }),
        ("SC 1sw 1wk 1c f1 limit1", Size { start_limits: 1, ..sc }),
        ("SC 1sw 1wk 1c f0 hand1 watch2", Size { hands: 1, watches: 2, faults: 0, ..sc }),
    ];
    match args[1].as_str() {
        "hold" => for (n, s) in sizes.iter().chain(&scales) { if n.contains(&filter) { run(n, Protocol::whole(*s), false, show) } },
        "one" => { let mut r = Rules::ALL; for n in filter.split(',') { r = r.without(n).unwrap(); } for (n, s) in sizes.iter().chain(&scales) { let p = Protocol { size: *s, rules: r }; let e = explore(&p, 400_000, true); let f = if e.broken.is_empty() { String::new() } else { e.broken[0].0.to_string()[..2].to_string() + " " + &e.broken[0].1.steps().count().to_string() }; println!("   {n:<40} {:>9}{} {f}", e.states, if e.is_cut {"+"} else {" "}); if show && !e.broken.is_empty() { println!("{}", e.broken[0].1); } } }
        "mut" => for rule in Rules::NAMES { if !rule.contains(&filter) { continue }
            println!("{rule}");
            for (n, s) in sizes.iter().chain(&scales) {
            let p = Protocol { size: *s, rules: Rules::ALL.without(rule).unwrap() };
            let t = std::time::Instant::now();
            let e = explore(&p, 1_500_000, true);
            if !e.broken.is_empty() { println!("   {n:<40} {:>9} {:>6.2}s {}", e.states, t.elapsed().as_secs_f32(), e.broken.iter().map(|b| format!("{} ({} steps)", b.0, b.1.steps().count())).collect::<Vec<_>>().join("; ")); if show { println!("{}", e.broken[0].1); break } }
        } },
        _ => {}
    }
}
