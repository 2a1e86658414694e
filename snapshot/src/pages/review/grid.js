// ---- the photos of every person, as cards that are made only while they are near the window ---------------
const BLOCK = 60; // cards; a block comes and goes as a whole
const CARD_WIDTH_PX = 170, CARD_HEIGHT_PX = 233; // with their gaps; only for guesses of heights not yet drawn
const cardOf = new Map(); // photo → its card, while it is on the page
let shown = [], here = null;

// What a photo is, for the filters.
function classes(photo) {
  const state = stateOf(photo), isDecided = decisionOf(photo) !== undefined || photo.decided != null;
  return [isKept(photo) ? 'kept' : 'dropped', ...photo.reasons.map(reason => reason.name),
    ...(state ? [STATES[state]] : []), ...(isDecided ? ['by hand'] : [])];
}
const wanted = new Set(); // names of classes; empty: all
let search = '';
const isShown = photo => (!wanted.size || classes(photo).some(name => wanted.has(name)))
  && (!search || identities[photo.identity].toLowerCase().includes(search) || photo.url.toLowerCase().includes(search)
    || (photo.sha256 ?? '').startsWith(search));

const near = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) fill(target); else empty(target);
  }
}, { rootMargin: '800px' });

function fill(block) {
  if (block.childElementCount) return;
  block.append(...block.photos.map(card));
  block.style.minHeight = '';
  for (const photo of block.photos) draw(cardOf.get(photo).querySelector('canvas'), photo);
}

function empty(block) {
  if (!block.childElementCount) return;
  block.style.minHeight = block.offsetHeight + 'px';
  block.replaceChildren();
  block.photos.forEach(photo => cardOf.delete(photo));
}

// Pictures stand behind the scripts, so that the page is there before the last of them is read.
function picture(photo) {
  const bytes = byId('t' + photo.number)?.textContent;
  if (bytes) return make('img', { src: 'data:image/jpeg;base64,' + bytes, alt: '' });
  return make('span', { textContent: photo.pictured ? '…' : 'no picture' });
}
addEventListener('DOMContentLoaded', () => {
  for (const [photo, node] of cardOf) node.querySelector('.pic').firstChild.replaceWith(picture(photo));
});

function card(photo) {
  const node = make('div', { title: photo.url, onclick: () => { select(photo); look(photo); } },
    make('div', { className: 'pic' }, picture(photo), make('canvas')), make('div', { className: 'say' }));
  cardOf.set(photo, node);
  dress(photo);
  return node;
}

const digits = score => score == null ? '–' : score.toFixed(2).replace(/^0/, '');
const inShort = ({ scores, width, height }) => [
  make('span', { textContent: `${width ?? '?'}×${height ?? '?'}` }), make('br'),
  make('span', {
    textContent: `w ${digits(scores.watermark)}  f ${digits(scores.face)}  p ${digits(scores.person)}`,
    title: 'watermark, surest face, surest person',
  })];

function verdictInWords(photo) {
  const decision = decisionOf(photo), state = stateOf(photo);
  if (decision != null) return decision ? 'keep, by hand' : 'drop, by hand';
  if (state) return STATES[state];
  return (isKept(photo) ? 'kept' : 'dropped') + (photo.decided != null && decision === undefined ? ', by hand' : '');
}

function dress(photo) {
  const node = cardOf.get(photo);
  if (!node) return;
  const isDecided = decisionOf(photo) != null || decisionOf(photo) === undefined && photo.decided != null;
  node.className = ['card', isKept(photo) ? 'keep' : 'drop', stateOf(photo), isDecided ? 'hand' : '',
    photo === here ? 'here' : ''].join(' ');
  const reasons = photo.reasons.flatMap(({ text }) =>
    [make('span', { textContent: text, title: text, className: 'reason' }), make('br')]);
  node.lastChild.replaceChildren(make('b', { textContent: verdictInWords(photo) }),
    ...(reasons.length ? [' ', ...reasons] : [make('br'), ...inShort(photo)]));
}

// By person: kept photos first, so that either kind is seen at a glance. By a score: the doubtful ones first, in
// one list.
function groups() {
  const slider = sliders.find(slider => slider.rule === byId('order').value);
  if (slider) {
    const sign = slider.over ? -1 : 1, value = photo => slider.score(photo) ?? Infinity * sign;
    shown.sort((a, b) => sign * (value(a) - value(b)) || a.number - b.number);
    const title = `All people, ${slider.over ? 'highest' : 'lowest'} ${slider.label} first`;
    return shown.length ? [{ title, photos: shown }] : [];
  }
  shown.sort((a, b) => a.identity - b.identity || b.keep - a.keep || a.number - b.number);
  const people = Map.groupBy(shown, photo => photo.identity);
  return [...people].map(([identity, photos]) => ({ title: identities[identity], photos }));
}

function tally(section) {
  const kept = section.photos.filter(isKept).length;
  section.querySelector('small').textContent = `${kept} kept, ${section.photos.length - kept} dropped`;
}

function layOut() {
  near.disconnect();
  cardOf.clear();
  shown = photos.filter(isShown);
  const list = byId('people'), columns = Math.max(1, Math.floor(list.clientWidth / CARD_WIDTH_PX));
  list.replaceChildren(...groups().map(({ title, photos }) => {
    const section = make('section', { className: 'person', photos }, make('h3', {}, title, make('small')));
    tally(section);
    for (let from = 0; from < photos.length; from += BLOCK) {
      const block = make('div', { className: 'cards' });
      block.photos = photos.slice(from, from + BLOCK);
      block.style.minHeight = Math.ceil(block.photos.length / columns) * CARD_HEIGHT_PX + 'px';
      section.append(block);
      near.observe(block);
    }
    return section;
  }));
  if (!shown.length) list.append(make('p', { textContent: 'No photo fits the filter.' }));
  if (!shown.includes(here)) here = null;
}
