// ---- what is decided by hand ------------------------------------------------------------------------------
const decisions = new Map(); // a photo's key → true (keep), false (drop), null (an earlier decision is taken back)
const decisionOf = photo => decisions.get(photo.key);
let unsaved = false;

// Kept in the browser until they are saved and imported: a closed window loses nothing. Another page has another id.
const STORE = 'bolid review ' + data.id;
function remember() {
  try {
    localStorage.setItem(STORE, JSON.stringify([...decisions]));
  } catch { /* storage may be forbidden: they are in memory */ }
}
try {
  for (const [key, keep] of JSON.parse(localStorage.getItem(STORE) ?? '[]')) decisions.set(key, keep);
  unsaved = decisions.size > 0;
} catch { /* likewise */ }

// Whether the decision was made; what no decision can keep is said and left.
function decide(photo, keep) {
  if (!photo) return false;
  const bar = photo.reasons.find(reason => reason.bars_keeping);
  if (!photo.sha256 || keep && bar) {
    say(`cannot be ${keep ? 'kept' : 'decided on'}: ${bar ? bar.text : 'there are no bytes'}`);
    return false;
  }
  if (keep === null && photo.decided == null) decisions.delete(photo.key); else decisions.set(photo.key, keep);
  unsaved = true;
  remember();
  say('');
  refresh();
  return true;
}

const asLines = () => [...decisions].map(([key, keep]) => {
  const [identity, sha256] = key.split(' ');
  return JSON.stringify({ identity: identities[identity], sha256, keep }) + '\n';
}).join('');

function save() {
  if (!decisions.size) return;
  const file = `${data.name}-decisions.jsonl`;
  const blob = new Blob([asLines()], { type: 'application/jsonl' });
  const link = make('a', { href: URL.createObjectURL(blob), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000); // the browser may read it after the click
  unsaved = false;
  say(`saved ${file}: bolid review import ${file}`);
  refresh();
}
addEventListener('beforeunload', event => { if (unsaved) event.preventDefault(); });
