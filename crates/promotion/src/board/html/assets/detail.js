// The page of a digest, with its chain, and the page of a processor.
const back = () => el('p', { class: 'back' }, el('a', { href: '#' }, '← All processors'));

const receiptLine = (receipt) => {
  let [tone, sign, words] = ['open', '○', 'says nothing of its outcome'];
  if (receipt.refused) [tone, sign, words] = ['bad', '⊘', 'not believed'];
  else if (receipt.passed === true) [tone, sign, words] = ['good', '✓', 'passed'];
  else if (receipt.passed === false) [tone, sign, words] = ['bad', '✕', 'failed'];
  return el('li', { class: `step ${tone}` }, glyph(sign),
    el('div', {},
      el('p', {}, el('strong', {}, name(receipt.kind)), ` ${words}`,
        receipt.text ? [': ', name(receipt.text)] : null),
      receipt.refused ? el('p', { class: 'why shut' }, name(receipt.refused)) : null,
      el('p', { class: 'small' }, since(receipt.at),
        receipt.by ? el('span', {}, 'by ', name(receipt.by)) : null,
        receipt.run ? el('a', { href: receipt.run, rel: 'noreferrer' }, 'run') : null)));
};

const eventLine = (event, it) => {
  const mine = event.moves.filter((move) => move.after && move.after.hex === it.hex);
  const names = mine.slice(0, 3).map((move) => move.name).join(', ');
  const more = mine.length > 3 ? ` and ${mine.length - 3} more` : '';
  return el('li', { class: 'step good' }, glyph('◆'),
    el('div', {},
      el('p', {}, el('strong', {}, event.kind), ': ', name(names + more)),
      el('p', { class: 'small' }, since(event.at), el('span', {}, 'by ', name(event.by)), commitLink(event.commit), name(event.title))));
};

const standing = (row, cell) => el('li', { class: 'step now' }, glyph('▸'),
  el('div', {}, el('p', {}, 'Now: ', el('a', { href: processorHash(row.key) }, name(row.key))),
    el('div', { class: 'facts' }, liveFact(cell), ...cell.proofs.map((proof) => proofFact(cell, proof))),
    warning('drift', 'Drift:', cell.drift, true),
    cell.gate === 'same' || cell.gate === 'open' ? el('p', { class: 'small' }, GATE_WORDS[cell.gate](cell)) : null,
    cell.gate === 'shut' ? warning('shut', `Not to ${cell.next}:`, cell.whyNot, true) : null));

// One stop of the chain: reached or not.
const stop = (title, reached, nothing, ...lines) => {
  const filled = lines.flat().filter(Boolean);
  return el('li', { class: `stop ${reached ? 'reached' : 'ahead'}` },
    el('h3', {}, title, quiet(reached ? ': reached' : ': not reached')),
    filled.length ? el('ul', { class: 'steps' }, ...filled) : el('p', { class: 'small' }, nothing));
};

const byTime = (before, after) => (before.at || 0) - (after.at || 0);

const chain = (it, found) => {
  const receipts = (found ? found.receipts : []).sort(byTime);
  const of = (kind) => receipts.filter((receipt) => receipt.known === kind && !receipt.environment);
  const good = (list) => list.some((receipt) => receipt.passed !== false && !receipt.refused);
  const build = of('build');
  const acceptance = of('acceptance');
  const source = found && found.source;
  const stops = [
    stop('Source', Boolean(source), 'No receipt names the commit that it was built from.',
      source ? el('li', { class: 'step good' }, glyph('◆'), el('div', {}, el('p', {}, 'commit ', commitLink(source)))) : null),
    stop('Build', good(build), 'No receipt of a build.', build.map(receiptLine)),
    stop('Acceptance', good(acceptance), 'Not tested yet.', acceptance.map(receiptLine)),
  ];
  raw.environments.forEach((where, index) => {
    const pins = events.filter((event) => event.environment === where
      && event.moves.some((move) => move.after && move.after.hex === it.hex)).sort(byTime);
    const here = receipts.filter((receipt) => receipt.environment === where);
    const stands = rows.filter((row) => row.cells[index] && row.cells[index].pinned && row.cells[index].pinned.hex === it.hex);
    const past = [...pins.map((one) => [one, eventLine(one, it)]), ...here.map((one) => [one, receiptLine(one)])]
      .sort(([before], [after]) => byTime(before, after)).map(([, line]) => line);
    stops.push(stop(where, pins.length || stands.length, 'Never pinned here, as far as the history goes.',
      past, stands.map((row) => standing(row, row.cells[index]))));
  });
  const rest = receipts.filter((receipt) => !raw.environments.includes(receipt.environment)
    && !build.includes(receipt) && !acceptance.includes(receipt));
  if (rest.length) stops.push(stop('Other statements', true, '', rest.map(receiptLine)));
  return el('ol', { class: 'chain', 'aria-label': 'From source to the last environment' }, ...stops);
};

const copyButton = (words) => {
  if (!navigator.clipboard) return null;
  const button = el('button', { type: 'button', class: 'copy' }, 'Copy');
  button.addEventListener('click', () => navigator.clipboard.writeText(words).then(
    () => { button.textContent = 'Copied'; announce('Copied'); },
    () => { button.textContent = 'Not allowed'; },
  ));
  return button;
};

const digestPage = (wanted) => {
  const hex = wanted.replace(/^sha256:/, '');
  const found = images.get(hex);
  const row = rows.find((one) => one.cells.some((cell) => cell.pinned && cell.pinned.hex === hex));
  const known = found || row || events.some((event) => event.moves.some((move) => [move.before, move.after].some((it) => it && it.hex === hex)));
  if (!/^[0-9a-f]{64}$/.test(hex) || !known) {
    return el('div', { class: 'view' }, back(), el('h2', {}, 'Unknown digest'),
      el('p', {}, 'Nothing on this board has the digest ', el('code', { class: 'long' }, wanted.slice(0, 100)), '.'));
  }
  const it = { hex, whole: `sha256:${hex}`, short: hex.slice(0, 12) };
  const cell = row && row.cells.find((one) => one.pinned && one.pinned.hex === hex);
  const repository = (found && found.repository) || (cell && cell.repository) || '';
  const full = repository ? `${repository}@${it.whole}` : it.whole;
  return el('div', { class: 'view detail' }, back(),
    el('h2', {}, bars(hex), quiet('Digest '), el('code', {}, it.short)),
    el('p', { class: 'image' }, el('code', { class: 'long' }, full), copyButton(full)),
    chain(it, found));
};

const processorPage = (key) => {
  const row = rows.find((one) => one.key === key);
  if (!row) {
    return el('div', { class: 'view' }, back(), el('h2', {}, 'Unknown processor'),
      el('p', {}, 'Nothing on this board is called ', name(key.slice(0, 200)), '.'));
  }
  const mine = events.filter((event) => event.moves.some((move) => move.name === row.reference));
  return el('div', { class: 'view detail' }, back(),
    el('h2', {}, name(row.reference), row.platform ? el('span', { class: 'platform' }, row.platform) : null),
    el('div', { class: 'places' }, ...row.cells.map((cell) => el('section', { class: 'place' },
      el('h3', {}, cell.environment), ...cellParts(cell, true),
      el('dl', {},
        ...(cell.commit ? [el('dt', {}, 'pinned by'), el('dd', {}, commitLink(cell.commit))] : []),
        ...(cell.proofs.filter((proof) => proof.why && !cell.whyNot.includes(proof.why)).flatMap((proof) => [el('dt', {}, name(proof.requirement)), el('dd', {}, name(proof.why))])))))),
    el('h3', {}, 'History'),
    mine.length ? el('ol', { class: 'events' }, ...mine.map((event) => eventItem(event, row.reference)))
      : el('p', { class: 'small' }, 'Nothing happened, as far as the history goes.'));
};
