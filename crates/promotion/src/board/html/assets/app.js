// Which view is shown, and the keys.
const main = document.getElementById('main');
const query = document.getElementById('query');
const count = document.getElementById('count');
const title = document.title;
let task = {};
let came = null;

const announce = (words) => { if (count.textContent !== words) count.textContent = words; };

const noticeList = [...raw.strays.map((stray) => ['Drift: ', stray]), ...raw.notices.map((notice) => ['', notice])]
  .map(([label, words]) => el('p', { class: 'notice' }, glyph('!'), label, name(words)));

const show = (view, heading) => {
  main.replaceChildren(...(view === matrix.element ? noticeList : []), view);
  document.title = heading ? `${heading} · ${title}` : title;
};

const route = (first) => {
  task.over = true;
  task = {};
  const hash = decodeHash(location.hash.slice(1));
  const [kind, wanted] = [hash.split('=', 1)[0], hash.slice(hash.indexOf('=') + 1)];
  const pages = {
    digest: () => [digestPage(wanted), `Digest ${wanted.slice(7, 19)}`],
    processor: () => [processorPage(wanted), wanted],
    timeline: () => [timelinePage(task), 'Timeline'],
  };
  const page = Object.hasOwn(pages, kind) ? pages[kind]() : null;
  const inMatrix = main.firstChild && main.contains(matrix.element);
  if (page && inMatrix) came = { y: scrollY, row: matrix.current };
  document.body.dataset.view = page ? kind : 'matrix';
  for (const [id, mine] of [['to-matrix', !page], ['to-timeline', kind === 'timeline']]) {
    const link = document.getElementById(id);
    if (mine) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (page) {
    show(...page);
    scrollTo(0, 0);
    announce('');
    const heading = page[0].querySelector('h2');
    heading.tabIndex = -1;
    if (!first) heading.focus();
    return;
  }
  if (inMatrix) return;
  show(matrix.element);
  announce(matrix.narrow());
  if (came) {
    scrollTo(0, came.y);
    if (came.row && !came.row.hidden) came.row.focus({ preventScroll: true });
  }
};

const decodeHash = (hash) => {
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
};

const narrow = () => announce(matrix.narrow());

const search = () => {
  matrix.query = query.value;
  if (document.body.dataset.view !== 'matrix') {
    location.hash = '#';
    return;
  }
  narrow();
};

const filters = document.getElementById('filters');
for (const [id, label, passes] of FILTERS) {
  const number = rows.filter(passes).length;
  const button = el('button', { type: 'button', 'aria-pressed': String(id === 'all'), 'data-filter': id },
    label, ' ', el('span', { class: 'number' }, String(number)));
  button.disabled = !number && id !== 'all';
  button.addEventListener('click', () => {
    matrix.filter = matrix.filter === id ? 'all' : id;
    for (const other of filters.children) other.setAttribute('aria-pressed', String(other.dataset.filter === matrix.filter));
    search();
  });
  filters.append(button);
}

let waiting = 0;
query.addEventListener('input', () => {
  clearTimeout(waiting);
  waiting = setTimeout(search, 60);
});
document.getElementById('find').addEventListener('submit', (event) => {
  event.preventDefault();
  search();
  const exact = /^(sha256:)?[0-9a-f]{64}$/.exec(query.value.trim());
  if (exact) location.hash = `#digest=sha256:${query.value.trim().slice(-64)}`;
  else if (matrix.current && !matrix.current.hidden) matrix.current.focus();
});

document.addEventListener('keydown', (event) => {
  const typing = event.target === query;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === '/' && !typing) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (event.key === 'Escape') {
    if (document.body.dataset.view !== 'matrix') {
      location.hash = '#';
    } else if (query.value) {
      query.value = '';
      search();
    } else if (typing) query.blur();
  } else if (event.key === 'ArrowDown' && typing && matrix.current && !matrix.current.hidden) {
    event.preventDefault();
    matrix.current.focus();
  }
});

// A link would take the place of the view in the address.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

const passed = now - raw.made;
document.getElementById('age').textContent = passed < 60 ? '' : ` (${ago(passed)})`;
const bar = document.getElementById('bar');
bar.hidden = false;
// What sticks below it, and what is scrolled to, keeps clear of it.
new ResizeObserver(() => document.documentElement.style.setProperty('--bar', `${getComputedStyle(bar).position === 'sticky' ? bar.offsetHeight : 0}px`)).observe(bar);
matrix.build();
addEventListener('hashchange', () => route(false));
route(true);
