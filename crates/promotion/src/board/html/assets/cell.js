// One processor in one environment: the same facts in the matrix and on the pages.
const SIGNS = { passed: '✓', failed: '✕', refused: '⊘', missing: '○', unknown: '?' };
const TONES = { passed: 'good', failed: 'bad', refused: 'bad', missing: 'open', unknown: 'open' };

const fact = (tone, sign, ...words) => el('span', { class: `fact ${tone}` }, glyph(sign), ...words);

const liveFact = (cell) => {
  const version = cell.version === null ? '' : ` v${cell.version}`;
  const says = cell.liveAt === null ? undefined : `deployed ${whole.format(new Date(cell.liveAt * 1000))}`;
  let made;
  if (cell.running === 'pinned') made = fact('good', '●', `live${version}`);
  else if (cell.running === 'nothing') made = cell.pinned ? fact('open', '○', 'not live') : null;
  else if (cell.running === 'unknown') made = cell.pinned ? fact('open', '?', `live${version || ' unknown'}`) : null;
  else made = fact('bad', '◐', `live${version}: other digest `, cell.live ? digestLink(cell.live) : el('code', {}, cell.digits));
  if (made && says) made.title = says;
  return made;
};

// What is asked of an image in the cell's own environment need not say so again.
const proofName = (cell, proof) => {
  const end = ` in ${cell.environment}`;
  return proof.requirement.endsWith(end) ? proof.requirement.slice(0, -end.length) : proof.requirement;
};

const proofFact = (cell, proof) => {
  const made = fact(TONES[proof.state], SIGNS[proof.state], name(proofName(cell, proof)),
    proof.state === 'passed' ? quiet(' passed') : ` ${proof.state}`);
  made.title = [proof.requirement, proof.state, proof.why, proof.at === null ? '' : whole.format(new Date(proof.at * 1000))]
    .filter(Boolean).join(', ');
  return made;
};

const GATE_WORDS = {
  same: (cell) => `the same in ${cell.next}`,
  open: (cell) => `may go to ${cell.next}`,
  shut: (cell) => `may not go to ${cell.next}`,
};
const GATE_SIGNS = { same: '', open: '→', shut: '✕' };

const rail = (cell) => {
  if (!cell.next) return null;
  const words = GATE_WORDS[cell.gate];
  if (!words) return el('span', { class: 'rail none', 'aria-hidden': 'true' });
  return el('span', { class: `rail ${cell.gate}`, title: words(cell) },
    GATE_SIGNS[cell.gate] ? el('span', { class: 'gate', 'aria-hidden': 'true' }, GATE_SIGNS[cell.gate]) : null,
    quiet(words(cell)));
};

const warning = (tone, label, reasons, all) => {
  if (!reasons.length) return null;
  const rest = reasons.length - 1;
  const shown = all ? reasons.map((reason) => el('span', { class: 'reason' }, name(reason))) : [name(reasons[0])];
  return el('p', { class: `why ${tone}`, title: all ? undefined : reasons.join('\n') },
    label ? [el('strong', {}, label), ' '] : null, ...shown, !all && rest ? ` and ${rest} more` : null);
};

// `all`: with every reason, as on the pages.
const cellParts = (cell, all) => {
  const parts = [];
  if (cell.pinned) {
    parts.push(el('div', { class: 'pin' }, digestLink(cell.pinned), since(cell.at), rail(cell)));
  } else {
    parts.push(el('div', { class: 'pin' }, el('span', { class: 'pending' }, 'not pinned'), rail(cell)));
  }
  const facts = [liveFact(cell), ...cell.proofs.map((proof) => proofFact(cell, proof))];
  if (cell.held) facts.unshift(fact('held', '‖', 'held at ', digestLink(cell.held)));
  if (facts.some(Boolean)) parts.push(el('div', { class: 'facts' }, ...facts));
  parts.push(warning('drift', 'Drift:', cell.drift, all));
  if (!cell.pinned) parts.push(warning('ahead', '', cell.whyNot, all));
  if (cell.gate === 'shut') parts.push(warning('shut', `Not to ${cell.next}:`, cell.whyNot, all));
  return parts;
};
