// Pins and promotions, the newest first.
const EVENT_WORDS = { pinned: ' in ', promoted: ' to ', 'rolled back': ' in ' };
const MOST_MOVES = 4;

const moveLine = (move) => el('li', {}, name(move.name), ' ',
  move.before ? digestLink(move.before) : el('span', { class: 'pending' }, 'nothing'), ' → ',
  move.after ? digestLink(move.after) : el('span', { class: 'pending' }, 'nothing'));

// `only`: the processor whose moves are wanted.
const eventItem = (event, only) => {
  const moves = only ? event.moves.filter((move) => move.name === only) : event.moves;
  const rest = moves.slice(MOST_MOVES);
  let more = null;
  if (rest.length) {
    more = el('details', {}, el('summary', {}, `${rest.length} more`));
    more.addEventListener('toggle', () => more.append(el('ul', { class: 'moves' }, ...rest.map(moveLine))), { once: true });
  }
  return el('li', { class: 'event' },
    el('div', { class: 'head' }, glyph(MARKS[event.kind]), el('strong', {}, event.kind), EVENT_WORDS[event.kind],
      el('span', { class: 'env' }, event.environment), since(event.at)),
    el('p', { class: 'title' }, name(event.title)),
    el('p', { class: 'small' }, event.by ? el('span', {}, 'by ', name(event.by)) : null, commitLink(event.commit)),
    el('ul', { class: 'moves' }, ...moves.slice(0, MOST_MOVES).map(moveLine)), more);
};

// A lane for each environment, a mark for each event.
const MOST_MARKS = 500;
const MARKS = { pinned: '◆', promoted: '▶', 'rolled back': '◀' };

const lanes = () => {
  const [first, last] = [events[events.length - 1].at, events[0].at];
  const made = raw.environments.map((where) => {
    const mine = events.filter((event) => event.environment === where);
    const marks = mine.slice(0, MOST_MARKS).map((event) => {
      const mark = el('span', { class: event.kind.replace(' ', '-'), title: `${event.kind}: ${event.title}` }, MARKS[event.kind]);
      mark.style.left = `${last === first ? 50 : ((event.at - first) / (last - first)) * 100}%`;
      return mark;
    });
    return el('div', { class: 'lane' }, el('span', {}, where),
      el('div', { class: 'track', role: 'img', 'aria-label': `${mine.length} events in ${where}` }, ...marks));
  });
  const date = (one) => el('span', {}, whole.format(new Date(one * 1000)));
  return el('div', { class: 'lanes' }, ...made, el('p', { class: 'ends small' }, date(first), date(last)));
};

const timelinePage = (token) => {
  if (!events.length) {
    return el('div', { class: 'view' }, el('h2', {}, 'Timeline'), el('p', {}, 'Nothing happened, as far as the history goes.'));
  }
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
  const view = el('div', { class: 'view' }, el('h2', {}, 'Timeline'), lanes());
  let [current, list] = ['', null];
  inParts(events, 60, token, (part) => {
    for (const event of part) {
      const date = day.format(new Date(event.at * 1000));
      if (date !== current) {
        list = el('ol', { class: 'events' });
        view.append(el('h3', {}, date), list);
        current = date;
      }
      list.append(eventItem(event));
    }
  });
  return view;
};
