// The block of data as objects. `pack.rs` writes it.
const raw = JSON.parse(document.getElementById('data').textContent);
const text = (number) => (number ? raw.texts[number - 1] : '');
const environment = (number) => (number ? raw.environments[number - 1] : '');
const time = (age) => (age === null ? null : raw.made - age);
const GATES = ['none', 'same', 'open', 'shut'];
const RUNNING = ['unknown', 'nothing', 'pinned', 'other'];
const PROOFS = ['passed', 'failed', 'refused', 'missing', 'unknown'];
const KINDS = ['other', 'build', 'acceptance', 'deployment', 'promotion'];
const OUTCOMES = [null, true, false];
const EVENTS = ['pinned', 'promoted', 'rolled back'];

const digest = (number) => {
  if (!number) return null;
  const hex = raw.digests.slice((number - 1) * 64, number * 64);
  return { hex, whole: `sha256:${hex}`, short: hex.slice(0, 12) };
};

const readCell = ([pinned, repository, age, commit, gate, running, version, live, digits, liveAge, held, drift, proofs, whyNot], index) => ({
  environment: raw.environments[index],
  next: raw.environments[index + 1],
  pinned: digest(pinned),
  repository: text(repository),
  at: time(age),
  commit: text(commit),
  gate: GATES[gate],
  running: RUNNING[running],
  version,
  live: digest(live),
  digits: text(digits),
  liveAt: time(liveAge),
  held: digest(held),
  drift: drift.map(text),
  proofs: proofs.map(([requirement, state, why, at]) => ({
    requirement: text(requirement), state: PROOFS[state], why: text(why), at: time(at),
  })),
  whyNot: whyNot.map(text),
});

const readRow = ([reference, platform, cells]) => {
  const row = { reference, platform: text(platform), cells: cells.map(readCell) };
  row.key = row.platform ? `${reference} ${row.platform}` : reference;
  return row;
};

const readReceipt = ([kind, known, outcome, refused, where, age, by, runStart, runEnd, says]) => ({
  kind: text(kind),
  known: KINDS[known],
  passed: OUTCOMES[outcome],
  refused: text(refused),
  environment: environment(where),
  at: time(age),
  by: text(by),
  run: runStart ? `${text(runStart)}/${runEnd}` : '',
  text: text(says),
});

const rows = raw.rows.map(readRow);
const images = new Map();
for (const packed of raw.images) {
  const it = digest(packed[0]);
  images.set(it.hex, {
    digest: it,
    repository: text(packed[1]),
    source: text(packed[2]),
    get receipts() { return packed[3].map(readReceipt); },
  });
}

const events = raw.events.map(([age, where, kind, commit, title, by, moves]) => ({
  at: time(age),
  environment: environment(where),
  kind: EVENTS[kind],
  commit: text(commit),
  title: text(title),
  by: text(by),
  moves: moves.map(([name, before, after]) => ({ name: text(name), before: digest(before), after: digest(after) })),
}));
