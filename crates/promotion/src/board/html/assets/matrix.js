// Processors × environments.
const FIRST_PART = 30;
const PART = 60;

const FILTERS = [
  ['all', 'All', () => true],
  ['drift', 'Drift', (row) => row.cells.some((cell) => cell.drift.length)],
  ['blocked', 'Blocked', (row) => row.cells.some((cell) => cell.gate === 'shut')],
  ['ready', 'Ready to move', (row) => row.cells.some((cell) => cell.gate === 'open')],
  ['held', 'Held', (row) => row.cells.some((cell) => cell.held)],
  ['unpinned', 'Not pinned', (row) => row.cells.some((cell) => !cell.pinned)],
];

const words = (row) => {
  const all = [row.reference, row.platform];
  for (const cell of row.cells) {
    const found = cell.pinned && images.get(cell.pinned.hex);
    all.push(cell.commit, cell.digits, cell.repository, found && found.source);
    for (const it of [cell.pinned, cell.live, cell.held]) if (it) all.push(it.whole);
  }
  return all.filter(Boolean).join('\n').toLowerCase();
};

const matrixRow = (row) => {
  const label = el('th', { scope: 'row', role: 'rowheader', class: 'processor' },
    el('a', { href: processorHash(row.key) }, name(row.reference)),
    row.platform ? el('span', { class: 'platform' }, row.platform) : null);
  const cells = row.cells.map((cell) => el('td', { role: 'cell', class: 'cell' },
    el('span', { class: 'where', 'aria-hidden': 'true' }, cell.environment), ...cellParts(cell, false)));
  const made = el('tr', { role: 'row', tabindex: '-1', 'data-key': row.key }, label, ...cells);
  for (const link of made.querySelectorAll('a')) link.tabIndex = -1;
  made.hidden = !row.shown;
  row.element = made;
  return made;
};

const matrix = {
  query: '',
  filter: 'all',
  current: null,
  element: null,

  build() {
    // Roles are said again, as a grid is no table to a browser.
    const heads = [el('th', { scope: 'col', role: 'columnheader' }, 'Processor'),
      ...raw.environments.map((it) => el('th', { scope: 'col', role: 'columnheader' }, it))];
    const body = el('tbody', { role: 'rowgroup' });
    const table = el('table', { role: 'table', class: 'matrix', id: 'matrix' },
      el('caption', { class: 'quiet' }, 'Every processor in every environment'),
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads)), body);
    table.style.setProperty('--columns', String(raw.environments.length));
    this.nothing = el('p', { class: 'nothing' });
    this.others = el('section', { class: 'others' });
    this.element = el('div', { class: 'view' }, el('h2', { class: 'quiet' }, 'Matrix'),
      el('div', { class: raw.environments.length > 3 ? 'scroll wide' : 'scroll' }, table), this.nothing, this.others);
    this.body = body;
    for (const row of rows) row.words = words(row);
    this.narrow();
    body.append(...rows.slice(0, FIRST_PART).map(matrixRow));
    const done = () => {
      performance.mark('all-rows');
      document.documentElement.dataset.ready = 'true';
    };
    // The rest comes when the first rows can be seen.
    requestAnimationFrame(() => setTimeout(() => {
      performance.mark('first-rows');
      inParts(rows.slice(FIRST_PART), PART, {}, (part) => body.append(...part.map(matrixRow)), done);
    }, 0));
    body.addEventListener('focusin', (event) => this.makeCurrent(event.target.closest('tr')));
    body.addEventListener('keydown', (event) => this.key(event));
    body.addEventListener('click', (event) => {
      if (event.target.closest('a') || String(getSelection())) return;
      const row = event.target.closest('tr');
      if (row) location.hash = processorHash(row.dataset.key);
    });
    this.makeCurrent(body.querySelector('tr:not([hidden])'));
  },

  // One row takes part in the order of Tab, with its links.
  makeCurrent(row) {
    if (!row || row === this.current) return;
    const set = (it, value) => [it, ...it.querySelectorAll('a')].forEach((one) => { one.tabIndex = value; });
    if (this.current) set(this.current, -1);
    set(row, 0);
    this.current = row;
  },

  key(event) {
    const row = event.target.closest('tr');
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'Enter' && event.target === row) {
      event.preventDefault();
      location.hash = processorHash(row.dataset.key);
      return;
    }
    const shown = rows.filter((it) => it.shown && it.element).map((it) => it.element);
    const at = shown.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0 && event.key === 'ArrowUp') {
      document.getElementById('query').focus();
      return;
    }
    const next = shown[Math.max(0, Math.min(shown.length - 1, to))];
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  },

  // Shows what the search and the filter leave.
  narrow() {
    const wanted = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    const passes = FILTERS.find(([id]) => id === this.filter)[2];
    let shown = 0;
    for (const row of rows) {
      row.shown = passes(row) && wanted.every((word) => row.words.includes(word));
      if (row.shown) shown += 1;
      if (row.element) row.element.hidden = !row.shown;
    }
    const others = this.showOthers(wanted);
    this.nothing.textContent = shown || others ? '' : 'Nothing matches. Take a part of a name, of a digest or of a commit.';
    if (!this.current || this.current.hidden) this.makeCurrent(this.body.querySelector('tr:not([hidden])'));
    const of = shown === rows.length ? '' : ` of ${rows.length}`;
    const more = others ? `, ${others} digest${others === 1 ? '' : 's'} not pinned now` : '';
    return `${shown}${of} processor${rows.length === 1 ? '' : 's'}${more}`;
  },

  // Digests that the search means and no row has.
  showOthers(wanted) {
    this.others.textContent = '';
    if (this.filter !== 'all' || wanted.length !== 1 || wanted[0].length < 4) return 0;
    const found = [...images.values()].filter((it) => !pinnedAnywhere.has(it.digest.hex)
      && [it.digest.whole, it.source].some((part) => part.toLowerCase().includes(wanted[0])));
    if (found.length) {
      this.others.append(el('h3', {}, 'Not pinned now'), el('ul', { class: 'plain' },
        ...found.slice(0, 50).map((it) => el('li', {}, digestLink(it.digest), ' ', name(it.repository)))));
    }
    return found.length;
  },
};

const pinnedAnywhere = new Set(rows.flatMap((row) => row.cells.map((cell) => cell.pinned && cell.pinned.hex)));
