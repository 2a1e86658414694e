'use strict';
// The page's data, see `review.rs`: everything is drawn from it, nothing is loaded.
const data = JSON.parse(document.getElementById('data').textContent);
const { photos, identities, limbs } = data;
const siteOf = identity => identity.slice(0, identity.indexOf('/'));
photos.forEach((photo, number) => {
  // A decision is on the bytes under a person: all photos with the same bytes share it.
  Object.assign(photo, { number, site: siteOf(identities[photo.identity]), key: photo.identity + ' ' + photo.sha256 });
});

// ---- what the rules make of a photo: `curate::judge` and `curate::people` once more -----------------------
// `src/report/agreement.rs` runs this file beside them on random photos, thresholds and decisions.
// Reasons that follow from the photo's own scores. Others, such as copies, stay as they were judged.
const OWN = new Set(['too_small', 'watermark', 'no_person', 'several_people', 'no_face', 'no_visible_joint',
  'other_person', 'not_measured']);
const LIMITS = ['min_side', 'min_photos', 'watermark.max_score', 'faces.min_score', 'people.min_score',
  'people.min_score_with_face', 'people.min_relative_height', 'joints.min_score', 'identity.min_similarity', 'sharpness'];
const ABSENT = { 'identity.min_similarity': -1 }; // faces are not compared
const FACE_INSIDE = .5;

const lookUp = (rules, path) => path.split('.').reduce((part, key) => part?.[key], rules);

// The thresholds of every site: its own, otherwise those in `changes`, otherwise those of all. No rule asks for
// sharpness.
function limitsOfSites(changes) {
  const of = site => Object.fromEntries(LIMITS.map(path =>
    [path, lookUp(data.rules.site?.[site], path) ?? changes[path] ?? lookUp(data.rules, path) ?? ABSENT[path] ?? 0]));
  return new Map([...new Set(identities.map(siteOf))].map(site => [site, of(site)]));
}

const area = ([x0, y0, x1, y1]) => Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
const shared = (a, b) => area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
const isInside = (face, person) => shared(face.box, person.box) > FACE_INSIDE * area(face.box);
const height = person => person.box[3] - person.box[1];
const tallest = people => Math.max(0, ...people.map(height));

// The faces and people that count.
function counted(photo, limit) {
  let faces = (photo.faces ?? []).filter(face => face.score >= limit['faces.min_score']);
  let people = (photo.people ?? []).filter(person => person.score >= limit['people.min_score']
    || person.score >= limit['people.min_score_with_face'] && faces.some(face => isInside(face, person)));
  const least = limit['people.min_relative_height'] * tallest(people);
  people = people.filter(person => height(person) >= least);
  faces = faces.filter(face => people.some(person => isInside(face, person)));
  return { faces, people };
}

// What is certain of people where faces were not looked for.
function whateverFaces(photo, limit) {
  const weakest = Math.min(limit['people.min_score'], limit['people.min_score_with_face']);
  const possible = photo.people.filter(person => person.score >= weakest);
  const least = limit['people.min_relative_height'] * tallest(possible);
  const sure = possible.filter(person => person.score >= limit['people.min_score'] && height(person) >= least);
  return !possible.length ? ['no_person'] : sure.length > 1 ? ['several_people'] : [];
}

function ofPeople(photo, limit) {
  if (!photo.people) return [];
  if (!photo.faces) return whateverFaces(photo, limit);
  const { faces, people } = counted(photo, limit), count = Math.max(faces.length, people.length);
  if (count === 0) return ['no_person'];
  if (count > 1) return ['several_people'];
  const main = people[0], least = limit['joints.min_score'];
  const isVisible = main && main.joint >= least && main.joint > 0;
  return [...(faces.length ? [] : ['no_face']), ...(isVisible ? [] : ['no_visible_joint'])];
}

function ofScores(photo, limit) {
  const { watermark, sharpness, similarity } = photo.scores;
  const reasons = ofPeople(photo, limit);
  if (Math.min(photo.width, photo.height) < limit.min_side) reasons.push('too_small');
  if (watermark != null && watermark > limit['watermark.max_score']) reasons.push('watermark');
  if (sharpness != null && sharpness < limit.sharpness) reasons.push('blurred');
  // As the faces were compared: who is among the many is not asked again.
  if (similarity != null && similarity < limit['identity.min_similarity']) reasons.push('other_person');
  if (!reasons.length && !photo.keep && lacksScores(photo, limit)) reasons.push('not_measured');
  return reasons;
}

function lacksScores(photo, limit) {
  return !photo.watermark_measured || !photo.people || !photo.faces
    || limit['identity.min_similarity'] > -1 && !photo.embedding_measured;
}

const names = photo => photo.reasons.map(reason => reason.name).filter(name => name !== 'too_few_photos');

// `decided`: true, false, null where an earlier decision is taken back, undefined where none was made on the page.
function reasonsOf(photo, limit, decided) {
  if (decided === false) return ['review'];
  if (decided === true) return photo.reasons.filter(reason => reason.bars_keeping).map(reason => reason.name);
  if (decided === undefined && photo.decided != null) return names(photo);
  const judged = names(photo).filter(name => name !== 'review');
  if (!photo.readable) return judged;
  const others = judged.filter(name => !OWN.has(name));
  return [...others, ...ofScores(photo, limit).filter(name => !photo.odd.includes(name))];
}

// The reasons of every photo in the page's order, with these thresholds and decisions; none: it is kept.
function judge(changes, decisionOf) {
  const limits = limitsOfSites(changes), limitOf = photo => limits.get(photo.site);
  const all = photos.map(photo => reasonsOf(photo, limitOf(photo), decisionOf(photo)));
  const left = identities.map(() => 0);
  all.forEach((reasons, i) => { if (!reasons.length) left[photos[i].identity]++; });
  all.forEach((reasons, i) => {
    if (!reasons.length && left[photos[i].identity] < limitOf(photos[i]).min_photos) reasons.push('too_few_photos');
  });
  return all;
}

// Of a snapshot whose scores are no longer at hand, a kept photo may lack what the rules ask for. It stays kept; one
// that was kept by hand does so until that is taken back.
const asInRules = limitsOfSites({});
for (const photo of photos) {
  const isKeptByRules = photo.keep && photo.readable && photo.decided == null;
  photo.odd = isKeptByRules ? ofScores(photo, asInRules.get(photo.site)) : [];
}
const before = judge({}, () => undefined); // as it is without any slider or decision
