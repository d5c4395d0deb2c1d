use super::*;
use crate::expr::testing::Surroundings;

fn is_match(pattern: &Pattern, text: &str) -> bool {
    pattern.is_match(text, &Surroundings::default().cx()).expect("in time")
}

fn pattern(source: &str, options: &str) -> Result<Pattern> {
    Pattern::new(source, options, &Surroundings::default().cx())
}

#[test]
fn patterns_mean_what_pcre_says() {
    let cases = [
        ("^ab", "", "abc", true),
        ("b$", "", "ab\n", true),
        ("b$", "", "ab\n\n", false),
        ("a$", "m", "a\nb", true),
        ("a.b", "", "a\nb", false),
        ("a.b", "s", "a\nb", true),
        ("\\d", "", "٣", false),
        ("(*UCP)\\d", "", "٣", true),
        ("\\w\\W", "", "a中", true),
        ("STRASSE", "i", "strasse", true),
        ("é", "i", "É", true),
        ("a b # no", "x", "ab", true),
        ("[a b]", "x", " ", true),
        ("(?x) a b (?-x) c", "", "ab c", true),
        ("(?i)AB(?-i)c", "", "abc", true),
        ("(?i)AB(?-i)c", "", "abC", false),
        ("(?i:A)b", "", "aB", false),
        ("a{,3}", "", "a{,3}", true),
        ("a{x", "", "a{x", true),
        ("a{2}", "", "aa", true),
        ("[]a]", "", "]", true),
        ("[a-]", "", "-", true),
        ("[\\d-x]", "", "-", true),
        ("[[:alpha:]_]", "", "_", true),
        ("[a&&b]", "", "&", true),
        ("[^a]", "", "a", false),
        ("\\Qa.b\\Ec", "", "a.bc", true),
        ("\\<a", "", "<a", true),
        ("\\x41\\x{4e2d}\\101", "", "A中A", true),
        ("\\x41\\x{4e2d}", "", "A中", true),
        ("\\p{Han}+", "", "汉字", true),
        ("\\p{^L}", "", "a", false),
        ("(?<year>\\d{4})-(?P<m>\\d\\d)", "", "2024-05", true),
        ("a(?#comment)b", "", "ab", true),
        ("\\bcat\\b", "", "a cat!", true),
        ("x\\Z", "", "x\n", true),
        ("a\\/b", "", "a/b", true),
        ("中|文", "", "文", true),
    ];
    for (source, options, text, expect) in cases {
        match pattern(source, options) {
            Ok(pattern) => assert_eq!(is_match(&pattern, text), expect, "/{source}/{options} on {text:?}"),
            Err(error) => panic!("/{source}/{options}: {error}"),
        }
    }
}

#[test]
fn what_is_not_linear_or_malformed_is_refused() {
    let refused = [
        "(",
        ")",
        "[a",
        "a)",
        "*a",
        "a**",
        "\\",
        "(a)\\1",
        "(?=a",
        "(?<!a",
        "(?=a)(?=(b)\\1)",
        "(?=a{1000}){100}b{5000}",
        "(?<n>a)(?<n>b)",
        "(?>a)",
        "a++",
        "(?R)",
        "(?(1)a)",
        "\\k<n>",
        "\\y",
        "[b-a]",
        "[[:foo:]]",
        "(?P=n)",
        "(*ACCEPT)a",
        "a{3,2}",
        "((((a{1000}){1000}){1000})",
        "\\p{}",
    ];
    for source in refused {
        let fault = pattern(source, "").map(drop).map_err(|error| error.number);
        assert_eq!(fault, Err(INVALID_PATTERN), "/{source}/");
    }
    assert_eq!(pattern("a", "z").map(drop).map_err(|error| error.number), Err(INVALID_OPTION));
    assert_eq!(pattern("a\0", "").map(drop).map_err(|error| error.number), Err(BAD_VALUE));
    assert!(pattern(&"a".repeat(40_000), "").is_err());
}

#[test]
fn look_around() {
    let cases = [
        ("^(?!a)", "", "ba", true),
        ("^(?!a)", "", "ab", false),
        ("foo(?!bar)", "", "foobar foobaz", true),
        ("foo(?!bar)", "", "foobar", false),
        ("(?<=\\d)%", "", "7%", true),
        ("(?<=\\d)%", "", "x%", false),
        ("(?<!\\$)\\b\\d+", "", "$12", false),
        ("(?<!\\$)\\b\\d+", "", "€12", true),
        ("^(?=.*[a-z])(?=.*\\d).{4,}$", "", "ab1c", true),
        ("^(?=.*[a-z])(?=.*\\d).{4,}$", "", "abcd", false),
        ("^((?!spam).)*$", "s", "ham and eggs", true),
        ("^((?!spam).)*$", "s", "ham and spam", false),
        ("a(?=b(?!c))", "", "abc abd", true),
        ("a(?=b(?!c))", "", "abc", false),
        ("(?i)a(?=B)c?", "", "AB", true),
        ("a(?-i:(?=B))", "i", "ab", false),
        ("(?=x)*b", "", "b", true),
        ("^(?=ab$|cd)", "m", "xx\nab", true),
        ("中(?!国)", "", "中国中文", true),
        ("(?<=^|,)b", "", "a,b", true),
        ("x(?!$)", "", "x", false),
        ("(a|(?=b))b", "", "b", true),
        ("a$\\n", "", "a\n", true),
        ("(a$)\\n", "", "a\n", true),
        ("\\B中", "", "中中", true),
        ("a\\B", "", "aé", false),
    ];
    for (source, options, text, expect) in cases {
        let pattern = pattern(source, options).unwrap_or_else(|error| panic!("/{source}/: {error}"));
        assert_eq!(is_match(&pattern, text), expect, "/{source}/{options} on {text:?}");
    }
}

#[test]
fn look_around_takes_linear_time() {
    let pattern = pattern("^(?:(?!x*y)x)*(?=x*$)(x+x+)+z", "").expect("a pattern");
    let text = "x".repeat(20_000);
    let start = std::time::Instant::now();
    assert!(!is_match(&pattern, &text));
    assert!(start.elapsed().as_millis() < 2000);
}

#[test]
fn large_patterns_are_refused_quickly() {
    for source in ["(a{1000}){1000}".to_owned(), "(".repeat(16_000), "\\p{L}{1000}".repeat(30), "(?:".repeat(5000)] {
        let start = std::time::Instant::now();
        assert!(pattern(&source, "i").is_err());
        assert!(start.elapsed().as_millis() < 1000, "{}", &source[..10]);
    }
}

#[test]
fn prefixes() {
    let prefix = |source, options| {
        let prefix = pattern(source, options).expect("a pattern").prefix();
        prefix.map(|prefix| (prefix.text, prefix.complete))
    };
    assert_eq!(prefix("^abc", ""), Some(("abc".into(), true)));
    assert_eq!(prefix("^a\\.b", ""), Some(("a.b".into(), true)));
    assert_eq!(prefix("^ab*", ""), Some(("a".into(), false)));
    assert_eq!(prefix("^ab+c", ""), Some(("ab".into(), false)));
    assert_eq!(prefix("^ab|c", ""), None);
    assert_eq!(prefix("^ab", "i"), None);
    assert_eq!(prefix("^ab", "m"), None);
    assert_eq!(prefix("ab", ""), None);
    assert_eq!(prefix("^.", ""), None);
}
