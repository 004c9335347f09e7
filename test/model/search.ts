/** A machine small enough to look at all of it: plain states, and what may happen in each. */
export interface Machine<S> {
  start: S;
  /** What may happen next, by name, with the state that follows; every run of the machine is a path through these. */
  next(state: S): Iterable<readonly [name: string, state: S]>;
  /** What is wrong with a state; undefined when nothing is. */
  wrong(state: S): string | undefined;
  /** Whether a state in which nothing can happen any more is a good end. */
  mayEnd(state: S): boolean;
}

export interface Found {
  states: number;
  steps: number;
  /** The longest of the shortest ways to a state. */
  depth: number;
  /** The first state that is wrong, and a shortest way to it. */
  wrong?: { what: string; path: string[] };
}

interface Visit<S> {
  state: S;
  depth: number;
  by?: { name: string; from: Visit<S> };
}

/** Looks at every state that can be reached, breadth first, so that what it finds is found by a shortest way. */
export function search<S>(machine: Machine<S>, bound = 2_000_000): Found {
  return walk(machine, bound, () => undefined);
}

/** Every step that can be taken, each at the end of a shortest path to it: what is to be tried on the real thing. */
export function allPaths<S>(machine: Machine<S>): { path: string[]; state: S }[] {
  const paths: { path: string[]; state: S }[] = [];
  walk(machine, 2_000_000, (from, name, state) => void paths.push({ path: [...pathTo(from), name], state }));
  return paths;
}

function walk<S>(machine: Machine<S>, bound: number, onStep: (from: Visit<S>, name: string, state: S) => void): Found {
  const first: Visit<S> = { state: machine.start, depth: 0 };
  const seen = new Set([JSON.stringify(machine.start)]);
  let frontier = [first];
  const found: Found = { states: 1, steps: 0, depth: 0 };
  const bad = (visit: Visit<S>, what: string) => ({ ...found, wrong: { what, path: pathTo(visit) } });
  while (frontier.length > 0) {
    const later: Visit<S>[] = [];
    for (const visit of frontier) {
      const what = machine.wrong(visit.state);
      if (what !== undefined) return bad(visit, what);
      let moves = 0;
      for (const [name, state] of machine.next(visit.state)) {
        moves++;
        found.steps++;
        onStep(visit, name, state);
        const key = JSON.stringify(state);
        if (seen.has(key)) continue;
        seen.add(key);
        later.push({ state, depth: visit.depth + 1, by: { name, from: visit } });
      }
      if (moves === 0 && !machine.mayEnd(visit.state)) return bad(visit, "stuck");
    }
    if (later.length > 0) found.depth++;
    found.states += later.length;
    if (found.states > bound) throw new Error(`more than ${bound} states`);
    frontier = later;
  }
  return found;
}

function pathTo<S>(visit: Visit<S>): string[] {
  const path: string[] = [];
  for (let at = visit; at.by !== undefined; at = at.by.from) path.unshift(at.by.name);
  return path;
}
