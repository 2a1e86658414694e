//! A small font of strokes, and coverage of thick strokes in pixels. Marks on photos are drawn with it.

use glam::Vec2;

/// Letters are 4 wide and 6 high; `x y` pairs as digits, strokes separated by spaces, row 0 is the top.
fn glyph(letter: char) -> &'static str {
    match letter.to_ascii_uppercase() {
        'A' => "062046 1434",
        'B' => "00063645443303 03332110 0030312",
        'C' => "4130100105163645",
        'D' => "00062645412000",
        'E' => "40000646 0333",
        'F' => "400006 0333",
        'G' => "413010010516364543 4323",
        'H' => "0006 4046 0343",
        'I' => "2026 1030 1636",
        'J' => "4045361605",
        'K' => "0006 400346 ",
        'L' => "000646",
        'M' => "0600234046",
        'N' => "06004640",
        'O' => "10010516364541301",
        'P' => "0600304132430313",
        'Q' => "1001051636454130 10 2446",
        'R' => "060030413243 0343 2346",
        'S' => "413010010213334445361605",
        'T' => "0040 2026",
        'U' => "000516364540",
        'V' => "002640",
        'W' => "0016233640",
        'X' => "0046 4006",
        'Y' => "002340 2326",
        'Z' => "00400646",
        '0' => "1001051636454130 10 0541",
        '1' => "122026 1636",
        '2' => "011030410646",
        '3' => "0110304142332313 334445361605",
        '4' => "3036 300444",
        '5' => "40000233444536160",
        '6' => "4130100105163645443303",
        '7' => "004016",
        '8' => "1001021333444536160504131 3342413010",
        '9' => "4333130201103041453616",
        '.' => "1626",
        '-' => "1333",
        '©' => "1001051636454130 10 3222133424",
        '@' => "3444414030100105164 2432",
        '/' => "0640",
        _ => "",
    }
}

/// A polyline in the text's units (letters 6 high, 5.2 apart, baseline at y = 6).
pub type Polyline = Vec<Vec2>;

/// The strokes of a text, and its width in the same units.
pub fn text(text: &str) -> (Vec<Polyline>, f32) {
    let mut lines = Vec::new();
    let mut x = 0.0;
    for letter in text.chars() {
        for stroke in glyph(letter).split_whitespace() {
            let digits: Vec<f32> = stroke.bytes().map(|b| f32::from(b - b'0')).collect();
            let points: Polyline = digits.chunks_exact(2).map(|p| Vec2::new(x + p[0], p[1])).collect();
            if points.len() > 1 {
                lines.push(points);
            }
        }
        x += match letter {
            ' ' => 3.0,
            '.' => 3.4,
            _ => 5.4,
        };
    }
    (lines, (x - 1.4).max(1.0))
}

/// Coverage per pixel in 0..=1.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Coverage {
    /// Nothing covered.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, values: vec![0.0; width * height] }
    }

    /// Covers a line of `radius` pixels around the segment, with soft edges.
    pub fn segment(&mut self, a: Vec2, b: Vec2, radius: f32) {
        let reach = radius + 1.0;
        let low = a.min(b) - reach;
        let high = a.max(b) + reach;
        let clamp = |v: f32, limit: usize| v.clamp(0.0, limit as f32) as usize;
        let (x0, x1) = (clamp(low.x, self.width), clamp(high.x.ceil(), self.width));
        let (y0, y1) = (clamp(low.y, self.height), clamp(high.y.ceil(), self.height));
        let along = b - a;
        let scale = 1.0 / along.length_squared().max(1e-9);
        for y in y0..y1 {
            for x in x0..x1 {
                let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5) - a;
                let t = (p.dot(along) * scale).clamp(0.0, 1.0);
                let cover = (radius + 0.5 - (p - along * t).length()).clamp(0.0, 1.0);
                let value = &mut self.values[y * self.width + x];
                *value = value.max(cover);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_and_digit_has_strokes_inside_its_cell() {
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789©@.-/".chars() {
            let (lines, _) = text(&letter.to_string());
            assert!(!lines.is_empty(), "{letter}");
            for point in lines.iter().flatten() {
                assert!((0.0..=4.0).contains(&point.x) && (0.0..=6.0).contains(&point.y), "{letter} {point}");
            }
        }
    }
}
