//! How many letters two words are apart.

/// Is `word` at most so many insertions, removals or replacements of letters away from `wanted`?
pub(super) fn within(wanted: &str, word: &str, distance_max: u8) -> bool {
    let letters: Vec<char> = wanted.chars().collect();
    let bound = usize::from(distance_max);
    if word.chars().count().abs_diff(letters.len()) > bound {
        return false;
    }
    let mut row: Vec<usize> = (0..=letters.len()).collect();
    for (above, letter) in word.chars().enumerate() {
        let (mut diagonal, mut left) = (above, above + 1);
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (wanted, up) in letters.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(*wanted != letter)).min(up + 1).min(left + 1);
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().is_some_and(|distance| *distance <= bound)
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn letters_apart_are_counted() {
        let cases = [
            ("coffee", "coffee", 0),
            ("coffee", "cofee", 1),
            ("coffee", "coffees", 1),
            ("北京", "北平", 1),
            ("kitten", "sitting", 3),
        ];
        for (one, other, distance) in cases {
            assert!(within(one, other, distance) && within(other, one, distance), "{one} {other}");
            assert!(distance == 0 || !within(one, other, distance - 1), "{one} {other}");
        }
        assert!(!within("", "abc", 2) && within("", "", 0));
    }
}
