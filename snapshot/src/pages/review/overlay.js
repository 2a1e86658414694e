// ---- boxes, joints and weights over a picture -------------------------------------------------------------
const layers = { boxes: true, joints: true, weights: false };
const colours = { l: '#ff9f1c', r: '#2ec4b6', n: '#ffffff', person: '#4cc9f0', face: '#ffd60a' };
const side = joint => joint === 0 ? 'n' : joint % 2 ? 'l' : 'r'; // COCO's odd joints are the left ones
const CELLS = 64; // along each side of the weights' raster: four to a σ of the default width

// Coordinates are shares of the photo's width and height; the canvas lies over the picture, fitted as CSS fits it.
function draw(canvas, photo) {
  const width = canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (!photo.width || !width) return;
  const context = canvas.getContext('2d'), scale = Math.min(width / photo.width, height / photo.height);
  const [w, h] = [photo.width * scale, photo.height * scale];
  const fitted = { x: (width - w) / 2, y: (height - h) / 2, w, h };
  const at = (x, y) => [fitted.x + x * w, fitted.y + y * h];
  const thin = Math.min(3, Math.max(1.25, Math.max(w, h) / 150));
  if (layers.weights && photo.sigma) weigh(context, photo, fitted);
  if (layers.boxes) {
    const counts = counted(photo, limits.get(photo.site));
    const kinds = [[photo.people, counts.people, colours.person], [photo.faces, counts.faces, colours.face]];
    for (const [all, of, colour] of kinds) {
      for (const found of all ?? []) {
        const doesCount = of.includes(found);
        const [left, top] = at(found.box[0], found.box[1]), [right, bottom] = at(found.box[2], found.box[3]);
        context.lineWidth = doesCount ? thin : thin / 2;
        context.setLineDash(doesCount ? [] : [3 * thin, 2 * thin]);
        context.strokeStyle = colour;
        context.strokeRect(left, top, right - left, bottom - top);
      }
    }
    context.setLineDash([]);
  }
  if (layers.joints && photo.joints) skeleton(context, photo.joints, at, thin);
}

function skeleton(context, joints, at, thin) {
  const visible = joints.map(([, , confidence]) => confidence > 0);
  context.lineWidth = 1.4 * thin;
  for (const [a, b] of limbs) {
    if (!visible[a] || !visible[b]) continue;
    context.strokeStyle = side(a) === side(b) ? colours[side(a)] : colours.n;
    context.beginPath();
    context.moveTo(...at(...joints[a]));
    context.lineTo(...at(...joints[b]));
    context.stroke();
  }
  joints.forEach((joint, i) => {
    if (!visible[i]) return;
    context.fillStyle = colours[side(i)];
    context.beginPath();
    context.arc(...at(...joint), 1.5 * thin, 0, 7);
    context.fill();
  });
}

// Darkens the picture to I·(α + (1−α)·W), as the tensor has it; W is the largest Gaussian of a visible joint (paper,
// eqs. 11 to 13).
function weigh(context, photo, { x, y, w, h }) {
  const centres = photo.joints.filter(([, , confidence]) => confidence > 0);
  const longer = Math.max(w, h), [across, down] = [w, h].map(length => Math.max(2, Math.round(CELLS * length / longer)));
  const raster = new ImageData(across, down);
  for (let row = 0; row < down; row++) for (let column = 0; column < across; column++) {
    let nearest = Infinity; // squared, in shares of the longer side
    for (const [cx, cy] of centres) {
      const dx = (column / (across - 1) - cx) * w / longer, dy = (row / (down - 1) - cy) * h / longer;
      nearest = Math.min(nearest, dx * dx + dy * dy);
    }
    const weight = Math.exp(-nearest / (2 * photo.sigma ** 2));
    raster.data[4 * (row * across + column) + 3] = 255 * (1 - data.alpha) * (1 - weight);
  }
  const small = make('canvas', { width: across, height: down });
  small.getContext('2d').putImageData(raster, 0, 0);
  // From centre to centre of the outer cells, which lie on the edges: nothing beyond them blends in.
  // A px more on all sides: the picture's own size is rounded.
  context.drawImage(small, .5, .5, across - 1, down - 1, x - 1, y - 1, w + 2, h + 2);
}
