//! Where the boxes and the lines of a diagram go: calls run from the top down, and nothing lies on anything else.
//!
//! The layered drawing of Sugiyama, Tagawa and Toda (1981): ways that lead back are turned, each step is ranked by its longest way from
//! the start, a line that passes a rank holds a cell of its own there, cells are ordered by barycentres, and their places are the least
//! squares that keep the order. The words on a line are a cell too: so they cover no box and no other words.

/// Rounds of ordering, and of placing.
const ROUNDS: usize = 24;
/// Between two cells of a rank.
const APART: f64 = 26.0;
/// A line where it passes a rank.
const LINE: f64 = 6.0;
/// Between two ranks: at least, at most, and how much more for each unit that a line moves sideways.
const GAP: f64 = 20.0;
const GAP_MAX: f64 = 64.0;
const GAP_SLOPE: f64 = 0.07;
/// Between two lines that leave one side of a box.
const PORT: f64 = 26.0;

/// A box to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
    /// What the shape takes off its upper and lower side, left and right: no line ends there.
    pub(super) corner: f64,
}

/// A line to be drawn, with the width and height of its words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) words: Option<(f64, f64)>,
}

/// A rectangle, by its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where everything goes; the upper left corner is 0, 0.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) boxes: Vec<Place>,
    /// The words of each link.
    pub(super) words: Vec<Option<Place>>,
    /// The points of each link, from its first box to its second. Between two of the same x the line is straight, else it swings.
    pub(super) lines: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// What holds a place in a rank.
#[derive(Clone, Copy, Debug)]
struct Cell {
    width: f64,
    height: f64,
    /// A box bends no line; a line would rather be straight.
    is_box: bool,
}

/// Cells in ranks, joined from rank to rank.
struct Grid {
    cells: Vec<Cell>,
    /// The cells of each rank, from left to right.
    ranks: Vec<Vec<usize>>,
    rank_of: Vec<usize>,
    /// Neighbours of each cell in the rank above and in the rank below.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
}

/// Places boxes, the first one on top, and the lines between them. No link may lead from a box to itself.
pub(super) fn plan(sizes: &[Size], links: &[Link]) -> Plan {
    let turned = turned(sizes.len(), links);
    let ranks = ranks(sizes.len(), links, &turned);
    let (mut grid, chains) = Grid::new(sizes, links, &turned, &ranks);
    grid.order();
    let x = grid.across();
    let y = grid.down(&x);
    finish(sizes, links, &turned, &grid, &chains, &x, &y)
}

/// Which links lead back to a box that they come from, on a walk from the first one; whatever leads to that one leads back.
fn turned(count: usize, links: &[Link]) -> Vec<bool> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, link) in links.iter().enumerate() {
        out[link.from].push(index);
    }
    let mut turned: Vec<bool> = links.iter().map(|link| link.to == 0).collect();
    // 0 not seen, 1 on the way, 2 done.
    let mut stage = vec![0_u8; count];
    for root in 0..count {
        let mut way: Vec<(usize, usize)> = Vec::new();
        if stage[root] == 0 {
            stage[root] = 1;
            way.push((root, 0));
        }
        while let Some((at, next)) = way.last_mut() {
            let Some(index) = out[*at].get(*next).copied() else {
                stage[*at] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            let to = links[index].to;
            match stage[to] {
                0 => {
                    stage[to] = 1;
                    way.push((to, 0));
                }
                1 => turned[index] = true,
                _ => {}
            }
        }
    }
    turned
}

/// The upper and the lower box of a link.
fn ends(link: &Link, turned: bool) -> (usize, usize) {
    if turned { (link.to, link.from) } else { (link.from, link.to) }
}

/// The longest way from the start to each box. Boxes take even ranks, words odd ones.
fn ranks(count: usize, links: &[Link], turned: &[bool]) -> Vec<usize> {
    let mut rank = vec![0; count];
    // There is no circle left, so this ends after as many rounds as there are boxes.
    for _ in 0..count {
        let mut moved = false;
        for (link, turned) in links.iter().zip(turned) {
            let (upper, lower) = ends(link, *turned);
            if rank[lower] < rank[upper] + 2 {
                rank[lower] = rank[upper] + 2;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    rank
}

impl Grid {
    /// The grid, and for each link its cells from above to below, boxes included.
    fn new(sizes: &[Size], links: &[Link], turned: &[bool], ranks: &[usize]) -> (Grid, Vec<Vec<usize>>) {
        let depth = ranks.iter().max().map_or(0, |deepest| deepest + 1);
        let mut grid =
            Grid { cells: Vec::new(), ranks: vec![Vec::new(); depth], rank_of: Vec::new(), above: Vec::new(), below: Vec::new() };
        for (size, rank) in sizes.iter().zip(ranks) {
            grid.add(Cell { width: size.width, height: size.height, is_box: true }, *rank);
        }
        let mut chains = Vec::new();
        for (link, turned) in links.iter().zip(turned) {
            let (upper, lower) = ends(link, *turned);
            // Words stand where the line begins.
            let words_at = if *turned { ranks[lower] - 1 } else { ranks[upper] + 1 };
            let mut chain = vec![upper];
            for rank in ranks[upper] + 1..ranks[lower] {
                let (width, height) = link.words.filter(|_| rank == words_at).unwrap_or((LINE, 0.0));
                chain.push(grid.add(Cell { width, height, is_box: false }, rank));
            }
            chain.push(lower);
            for pair in chain.windows(2) {
                grid.below[pair[0]].push(pair[1]);
                grid.above[pair[1]].push(pair[0]);
            }
            chains.push(chain);
        }
        (grid, chains)
    }

    fn add(&mut self, cell: Cell, rank: usize) -> usize {
        self.cells.push(cell);
        self.rank_of.push(rank);
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        let index = self.cells.len() - 1;
        self.ranks[rank].push(index);
        index
    }

    /// Orders each rank so that few lines cross.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.ranks.clone());
        for round in 0..ROUNDS {
            let down = round % 2 == 0;
            let depth = self.ranks.len();
            for step in 1..depth {
                self.by_barycentre(if down { step } else { depth - 1 - step }, down);
            }
            self.swap_neighbours();
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.ranks.clone());
            }
        }
        self.ranks = best.1;
    }

    fn by_barycentre(&mut self, rank: usize, down: bool) {
        let place = self.places();
        let neighbours = if down { &self.above } else { &self.below };
        let mut keyed: Vec<(f64, usize)> = self.ranks[rank]
            .iter()
            .map(|cell| {
                let near = &neighbours[*cell];
                let sum: usize = near.iter().map(|near| place[*near]).sum();
                let here = place[*cell] as f64;
                (if near.is_empty() { here } else { sum as f64 / near.len() as f64 }, *cell)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.ranks[rank] = keyed.into_iter().map(|(_, cell)| cell).collect();
    }

    /// The place of each cell in its rank.
    fn places(&self) -> Vec<usize> {
        let mut place = vec![0; self.cells.len()];
        for rank in &self.ranks {
            for (index, cell) in rank.iter().enumerate() {
                place[*cell] = index;
            }
        }
        place
    }

    /// Exchanges two that stand side by side wherever fewer lines cross then.
    fn swap_neighbours(&mut self) {
        let mut place = self.places();
        for rank in 0..self.ranks.len() {
            for left in 1..self.ranks[rank].len() {
                let (a, b) = (self.ranks[rank][left - 1], self.ranks[rank][left]);
                let crossed = |a: usize, b: usize| {
                    [&self.above, &self.below].iter().map(|near| pairs_crossed(&near[a], &near[b], &place)).sum::<usize>()
                };
                if crossed(b, a) < crossed(a, b) {
                    self.ranks[rank].swap(left - 1, left);
                    (place[a], place[b]) = (place[b], place[a]);
                }
            }
        }
    }

    fn crossings(&self) -> usize {
        let place = self.places();
        self.ranks
            .iter()
            .map(|rank| {
                // Lines in the order of their upper ends; each lower end that stands further right than a later one is a crossing.
                let mut seen: Vec<usize> = Vec::new();
                let mut crossings = 0;
                for cell in rank {
                    let mut ends: Vec<usize> = self.below[*cell].iter().map(|to| place[*to]).collect();
                    ends.sort_unstable();
                    for end in &ends {
                        crossings += seen.len() - seen.partition_point(|before| before <= end);
                    }
                    for end in ends {
                        seen.insert(seen.partition_point(|before| *before <= end), end);
                    }
                }
                crossings
            })
            .sum()
    }

    /// The middle of each cell, from left to right.
    fn across(&self) -> Vec<f64> {
        let mut x = vec![0.0; self.cells.len()];
        for rank in &self.ranks {
            let mut at = 0.0;
            for cell in rank {
                x[*cell] = at + self.cells[*cell].width / 2.0;
                at += self.cells[*cell].width + APART;
            }
        }
        for round in 0..2 * ROUNDS {
            let depth = self.ranks.len();
            let last = round + 2 >= 2 * ROUNDS;
            for step in 0..depth {
                let (rank, near): (usize, &[&Vec<Vec<usize>>]) = match (last, round % 2 == 0) {
                    (true, true) => (step, &[&self.above, &self.below]),
                    (true, false) => (depth - 1 - step, &[&self.above, &self.below]),
                    (false, true) => (step, &[&self.above]),
                    (false, false) => (depth - 1 - step, &[&self.below]),
                };
                self.settle(rank, near, &mut x);
            }
        }
        let left = self.cells.iter().zip(&x).map(|(cell, x)| x - cell.width / 2.0).fold(f64::INFINITY, f64::min);
        x.iter().map(|x| x - left).collect()
    }

    /// Moves the cells of one rank as near to their neighbours as their order allows: isotonic regression, by pooling neighbours that
    /// would stand in each other's way.
    fn settle(&self, rank: usize, near: &[&Vec<Vec<usize>>], x: &mut [f64]) {
        let mut pools: Vec<Pool> = Vec::new();
        let mut offset = 0.0;
        let mut offsets = Vec::new();
        for (index, cell) in self.ranks[rank].iter().enumerate() {
            if index > 0 {
                let before = self.cells[self.ranks[rank][index - 1]];
                offset += (before.width + self.cells[*cell].width) / 2.0 + APART;
            }
            offsets.push(offset);
            let (mut sum, mut weight) = (0.0, 0.0);
            for other in near.iter().flat_map(|near| &near[*cell]) {
                let straight = if self.cells[*cell].is_box || self.cells[*other].is_box { 1.0 } else { 6.0 };
                sum += x[*other] * straight;
                weight += straight;
            }
            let (wish, weight) = if weight > 0.0 { (sum / weight, weight) } else { (x[*cell], 0.1) };
            pools.push(Pool { wish: wish - offset, weight, count: 1 });
            while let [.., left, right] = pools.as_slice()
                && left.wish > right.wish
            {
                let weight = left.weight + right.weight;
                let wish = (left.wish * left.weight + right.wish * right.weight) / weight;
                let pool = Pool { wish, weight, count: left.count + right.count };
                pools.truncate(pools.len() - 2);
                pools.push(pool);
            }
        }
        let settled = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.wish, pool.count));
        for ((cell, offset), wish) in self.ranks[rank].iter().zip(&offsets).zip(settled) {
            x[*cell] = wish + offset;
        }
    }

    /// The upper and the lower edge of each rank.
    fn down(&self, x: &[f64]) -> Vec<(f64, f64)> {
        let mut at = 0.0;
        let mut edges = Vec::new();
        for rank in &self.ranks {
            let height = rank.iter().map(|cell| self.cells[*cell].height).fold(0.0, f64::max);
            edges.push((at, at + height));
            let steepest = rank.iter().flat_map(|cell| self.below[*cell].iter().map(|to| (x[*cell] - x[*to]).abs())).fold(0.0, f64::max);
            at += height + (GAP + steepest * GAP_SLOPE).min(GAP_MAX);
        }
        edges
    }
}

/// Cells that move together.
struct Pool {
    wish: f64,
    weight: f64,
    count: usize,
}

/// Crossings between the lines of two cells of which the first stands left.
fn pairs_crossed(left: &[usize], right: &[usize], place: &[usize]) -> usize {
    left.iter().map(|a| right.iter().filter(|b| place[**b] < place[*a]).count()).sum()
}

fn finish(sizes: &[Size], links: &[Link], turned: &[bool], grid: &Grid, chains: &[Vec<usize>], x: &[f64], y: &[(f64, f64)]) -> Plan {
    let place = |cell: usize| {
        let Cell { width, height, .. } = grid.cells[cell];
        let (top, bottom) = y[grid.rank_of[cell]];
        Place {
            x: (x[cell] - width / 2.0).round(),
            y: ((top + bottom - height) / 2.0).round(),
            width: width.round(),
            height: height.round(),
        }
    };
    let boxes: Vec<Place> = (0..sizes.len()).map(place).collect();
    let upper_ports = ports(sizes, chains, &boxes, x, true);
    let lower_ports = ports(sizes, chains, &boxes, x, false);
    let mut words = Vec::new();
    let mut lines = Vec::new();
    for (index, (link, turned)) in links.iter().zip(turned).enumerate() {
        let chain = &chains[index];
        let (first, last) = ends(link, *turned);
        let labelled = chain.iter().copied().find(|cell| !grid.cells[*cell].is_box && grid.cells[*cell].height > 0.0);
        words.push(labelled.map(place));
        let (from, to) = (upper_ports[index], lower_ports[index]);
        let mut points = vec![(from, boxes[first].y + boxes[first].height), (from, y[grid.rank_of[first]].1.round())];
        for cell in chain.iter().filter(|cell| !grid.cells[**cell].is_box) {
            let (top, bottom) = y[grid.rank_of[*cell]];
            points.push((x[*cell].round(), top.round()));
            points.push((x[*cell].round(), bottom.round()));
        }
        points.push((to, y[grid.rank_of[last]].0.round()));
        points.push((to, boxes[last].y));
        points.dedup();
        if *turned {
            points.reverse();
        }
        lines.push(points);
    }
    let right = boxes.iter().chain(words.iter().flatten()).map(|p| p.x + p.width);
    let right = right.chain(lines.iter().flatten().map(|(x, _)| *x + LINE)).fold(0.0, f64::max);
    let bottom = y.last().map_or(0.0, |(_, bottom)| bottom.ceil());
    Plan { boxes, words, lines, width: right.ceil(), height: bottom }
}

/// Where each link leaves its upper box, or comes to its lower one: side by side, in the order in which they go on.
fn ports(sizes: &[Size], chains: &[Vec<usize>], boxes: &[Place], x: &[f64], upper: bool) -> Vec<f64> {
    let mut port = vec![0.0; chains.len()];
    for (index, (size, place)) in sizes.iter().zip(boxes).enumerate() {
        let mut here: Vec<(f64, usize)> = Vec::new();
        for (link, chain) in chains.iter().enumerate() {
            let (end, next) = if upper { (chain.first(), chain.get(1)) } else { (chain.last(), chain.iter().rev().nth(1)) };
            if end == Some(&index) {
                here.extend(next.map(|next| (x[*next], link)));
            }
        }
        here.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let flat = (size.width - 2.0 * size.corner - 12.0).max(0.0);
        let apart = if here.len() > 1 { PORT.min(flat / (here.len() - 1) as f64) } else { 0.0 };
        let middle = place.x + place.width / 2.0;
        let half = apart * here.len().saturating_sub(1) as f64 / 2.0;
        for (number, (_, link)) in here.iter().enumerate() {
            port[*link] = (middle - half + apart * number as f64).round();
        }
    }
    port
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use model::Random;

    fn apart(a: &Place, b: &Place) -> bool {
        a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
    }

    /// Nothing lies on anything else, and each line begins and ends at its boxes.
    pub(in crate::diagram) fn sound(links: &[Link], plan: &Plan) {
        let all: Vec<&Place> = plan.boxes.iter().chain(plan.words.iter().flatten()).collect();
        for (index, a) in all.iter().enumerate() {
            assert!(a.x >= 0.0 && a.y >= 0.0 && a.x + a.width <= plan.width && a.y + a.height <= plan.height, "{a:?} sticks out");
            for b in all.iter().skip(index + 1) {
                assert!(apart(a, b), "{a:?} lies on {b:?}");
            }
        }
        let touches = |place: &Place, (x, y): (f64, f64)| {
            (place.x..=place.x + place.width).contains(&x) && (y == place.y || y == place.y + place.height)
        };
        for (link, line) in links.iter().zip(&plan.lines) {
            assert!(touches(&plan.boxes[link.from], line[0]), "{link:?} begins at {:?}, not at its box", line[0]);
            assert!(touches(&plan.boxes[link.to], line[line.len() - 1]), "{link:?} ends elsewhere");
            for pair in line.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                let (low, high) = (pair[0].1.min(pair[1].1), pair[0].1.max(pair[1].1));
                let through = |place: &&Place| {
                    pair[0].0 > place.x && pair[0].0 < place.x + place.width && low < place.y + place.height && high > place.y
                };
                assert!(!plan.boxes.iter().any(|place| through(&place)), "{link:?} runs through a box");
            }
        }
    }

    #[test]
    fn tangles_of_any_size_are_laid_out_without_overlap() {
        for seed in 0..40 {
            let mut random = Random::from_number(seed);
            let mut below = |n: u64| random.next_u64() % n;
            let count = 1 + below(60) as usize;
            let sizes: Vec<Size> =
                (0..count).map(|_| Size { width: 80.0 + below(200) as f64, height: 40.0 + below(80) as f64, corner: 14.0 }).collect();
            let mut links = Vec::new();
            for _ in 0..count * 2 {
                let (from, to) = (below(count as u64) as usize, below(count as u64) as usize);
                let words = (below(3) > 0).then(|| (20.0 + below(120) as f64, 18.0));
                if from != to {
                    links.push(Link { from, to, words });
                }
            }
            sound(&links, &plan(&sizes, &links));
        }
    }

    #[test]
    fn the_start_stands_on_top_though_steps_that_nobody_reaches_lead_to_it() {
        let size = Size { width: 100.0, height: 40.0, corner: 0.0 };
        let link = |from, to| Link { from, to, words: None };
        let links = [link(0, 1), link(2, 3), link(3, 0), link(1, 0)];
        let plan = plan(&[size; 4], &links);
        assert_eq!(plan.boxes[0].y, 0.0);
        sound(&links, &plan);
    }

    #[test]
    fn lines_that_need_not_cross_do_not() {
        let size = Size { width: 100.0, height: 40.0, corner: 0.0 };
        let link = |from, to| Link { from, to, words: None };
        // Written so that the order of writing crosses: 1 goes to 4, 2 goes to 3.
        let links = [link(0, 1), link(0, 2), link(1, 4), link(2, 3)];
        let plan = plan(&[size; 5], &links);
        assert_eq!(plan.boxes[1].x < plan.boxes[2].x, plan.boxes[4].x < plan.boxes[3].x);
    }
}
