// Elements. Text only ever becomes a text node; nothing here reads markup.
const svgTags = new Set(['svg', 'path', 'circle', 'line', 'text', 'g', 'title', 'rect']);

const el = (tag, attributes, ...children) => {
  const element = svgTags.has(tag)
    ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
};

const quiet = (words) => el('span', { class: 'quiet' }, words);
const glyph = (sign) => el('span', { class: 'sign', 'aria-hidden': 'true' }, sign);
// Names of anybody keep their direction to themselves.
const name = (words) => el('bdi', {}, words);

const UNITS = [[86400 * 365, 'y'], [86400, 'd'], [3600, 'h'], [60, 'min']];
const WORDS = { y: 'year', d: 'day', h: 'hour', min: 'minute' };

const age = (seconds) => {
  const unit = UNITS.find(([size]) => seconds >= size);
  return unit ? [Math.floor(seconds / unit[0]), unit[1]] : null;
};

const ago = (seconds) => {
  const found = age(seconds);
  if (!found) return 'just now';
  const [number, unit] = found;
  return `${number} ${WORDS[unit]}${number === 1 ? '' : 's'} ago`;
};

const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const now = Date.now() / 1000;

const since = (at) => {
  if (at === null) return null;
  const found = age(now - at);
  const date = new Date(at * 1000);
  return el('time', { datetime: date.toISOString(), title: whole.format(date) },
    found ? found.join(' ') : 'now', found ? quiet(' ago') : null);
};

const commitLink = (commit) => {
  if (!commit) return null;
  const short = el('code', {}, commit.slice(0, 8));
  return raw.commits
    ? el('a', { class: 'commit', href: raw.commits + commit, rel: 'noreferrer', title: commit }, short)
    : el('span', { class: 'commit', title: commit }, short);
};

// A picture of the first digits: equal digests look equal from far away.
const bars = (hex) => {
  let path = '';
  for (let index = 0; index < 8; index += 1) {
    const height = 2 + (parseInt(hex[index], 16) * 10) / 15;
    path += `M${index * 3 + 1} 12v-${height.toFixed(1)}`;
  }
  const picture = el('svg', { class: 'bars', viewBox: '0 0 24 12', 'aria-hidden': 'true' }, el('path', { d: path }));
  picture.style.setProperty('--hue', String(Math.round((parseInt(hex.slice(8, 10), 16) * 360) / 256)));
  return picture;
};

const digestLink = (it) => el('a', { class: 'digest', href: `#digest=${it.whole}`, title: it.whole },
  bars(it.hex), el('code', {}, it.short));

const processorHash = (key) => `#processor=${encodeURIComponent(key)}`;

// Runs `step` for each part of a list, a part between two frames, until done or `token` is over.
const inParts = (list, size, token, step, done) => {
  let from = 0;
  const next = () => {
    if (token.over) return;
    step(list.slice(from, from + size));
    from += size;
    if (from < list.length) setTimeout(next, 0);
    else if (done) done();
  };
  next();
};
