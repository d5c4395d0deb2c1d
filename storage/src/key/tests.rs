//! The order property of the encoding, on hand-picked edges and on random values.

use proptest::prelude::*;

use super::*;
use crate::doc::{ArrayBuilder, DocBuilder};
use crate::order::compare;

fn encoded(value: ValueRef<'_>, direction: Direction) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, direction, None, &mut out);
    out
}

fn decimal(text: &str) -> Value {
    Value::Decimal128(Decimal128::parse(text).expect("a decimal"))
}

fn edges() -> Vec<Value> {
    let mut values: Vec<Value> = vec![
        Value::MinKey,
        Value::Undefined,
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        Value::MaxKey,
        Value::ObjectId([0; 12]),
        Value::ObjectId([255; 12]),
        Value::Regex { pattern: "a".into(), options: "i".into() },
        Value::Timestamp { seconds: 1, increment: 2 },
        Value::Binary { subtype: 0, bytes: vec![0, 255] },
        Value::Binary { subtype: 2, bytes: vec![1] },
        Value::JavaScript("f".into()),
    ];
    values.extend(["", "\0", "\u{1}", "a", "a\0", "a\u{1}b", "ab", "é", "中文"].map(Value::from));
    values.extend([i64::MIN, -1, 0, 1, 1000, i64::MAX].map(Value::DateTime));
    let whole = [0, 1, 2, 127, 128, 255, 256, 65535, 65536, (1 << 31) - 1, 1 << 31, 1 << 53, (1 << 53) + 1, i64::MAX];
    values.extend(whole.iter().flat_map(|n| [Value::Int64(*n), Value::Int64(-*n)]));
    values.push(Value::Int64(i64::MIN));
    let doubles = [
        0.1,
        0.5,
        1.1,
        1.5,
        255.999,
        9_007_199_254_740_991.5,
        4_503_599_627_370_495.5,
        1e15,
        1e19,
        1.8446744073709552e19,
        1e20,
        1e300,
        f64::MAX,
        f64::INFINITY,
        f64::MIN_POSITIVE,
        5e-324,
        9.007199254740993e15,
        0.0,
    ];
    values.extend(doubles.iter().flat_map(|n| [Value::Double(*n), Value::Double(-*n)]));
    values.push(Value::Double(f64::NAN));
    let decimals = [
        "0",
        "0.1",
        "0.5",
        "1.1",
        "1.10",
        "1.5",
        "255.999",
        "9007199254740992.5",
        "9007199254740993",
        "1E19",
        "1E20",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551615.5",
        "1E-6176",
        "1E+6144",
        "NaN",
        "Infinity",
        "5.000000000000000000000000000000001",
        "0.1000000000000000055511151231257827",
        "1.100000000000000088817841970012523",
    ];
    values.extend(decimals.iter().map(|text| decimal(text)));
    values.extend(decimals.iter().filter(|text| **text != "NaN").map(|text| decimal(&format!("-{text}"))));
    let inner: Vec<Value> = values.iter().step_by(7).cloned().collect();
    for (at, value) in inner.iter().enumerate() {
        let mut builder = DocBuilder::new();
        builder.put(if at % 2 == 0 { "a" } else { "b" }, value.as_ref());
        values.push(Value::Document(builder.finish()));
        let mut array = ArrayBuilder::new();
        array.push(value.as_ref());
        array.push(Value::Int32(1).as_ref());
        values.push(Value::Array(array.finish()));
    }
    values.push(Value::Document(DocBuilder::new().finish()));
    values.push(Value::Array(ArrayBuilder::new().finish()));
    values
}

fn check_pair(a: ValueRef<'_>, b: ValueRef<'_>) {
    let order = compare(a, b);
    assert_eq!(encoded(a, Direction::Ascending).cmp(&encoded(b, Direction::Ascending)), order, "{a:?} {b:?}");
    assert_eq!(encoded(a, Direction::Descending).cmp(&encoded(b, Direction::Descending)), order.reverse());
}

fn check_one(value: ValueRef<'_>) {
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut key = encoded(value, direction);
        let size = key.len();
        key.extend_from_slice(&[0, 255, 7]);
        assert_eq!(skip(&key, direction), Some(size), "{value:?}");
        if let Some((back, read)) = decode(&key, direction, note_of(value, None)) {
            assert_eq!(read, size);
            let bytes = |value: ValueRef<'_>| {
                let mut out = vec![value.kind() as u8];
                value.encode(&mut out);
                out
            };
            assert_eq!(bytes(back.as_ref()), bytes(value), "{value:?}");
        }
    }
}

#[test]
fn order_of_keys_is_order_of_values() {
    let values = edges();
    for a in &values {
        check_one(a.as_ref());
        for b in &values {
            check_pair(a.as_ref(), b.as_ref());
        }
    }
}

#[test]
fn class_ranges_hold_their_values() {
    for value in edges() {
        let (low, high) = class_range(value.kind());
        let first = encoded(value.as_ref(), Direction::Ascending)[0];
        assert!((low..high).contains(&first), "{value:?}");
    }
}

fn number() -> impl Strategy<Value = Value> {
    let digits = (any::<bool>(), 0..=crate::number::COEFFICIENT_MAX, -40..40i32);
    prop_oneof![
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        (-1000..1000i64).prop_map(Value::Int64),
        any::<f64>().prop_map(Value::Double),
        (-1000..1000i32).prop_map(|n| Value::Double(f64::from(n) / 8.0)),
        digits.prop_map(|(negative, coefficient, exponent)| {
            let decimal = Decimal::Finite { negative, coefficient, exponent };
            Value::Decimal128(Decimal128::new(decimal).expect("in range"))
        }),
        (any::<bool>(), 0..100_000u128, -6..6i32).prop_map(|(negative, coefficient, exponent)| {
            let decimal = Decimal::Finite { negative, coefficient, exponent };
            Value::Decimal128(Decimal128::new(decimal).expect("in range"))
        }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        number(),
        "[\u{0}-\u{3}a-c]{0,4}".prop_map(Value::String),
        any::<i64>().prop_map(Value::DateTime),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Binary { subtype: 0, bytes }),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| Value::Array(values.iter().map(Value::as_ref).collect())),
            proptest::collection::vec(("[ab]{0,2}", inner), 0..4).prop_map(|fields| {
                let mut builder = DocBuilder::new();
                fields.iter().for_each(|(name, value)| builder.put(name, value.as_ref()));
                Value::Document(builder.finish())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_values_keep_their_order(a in value(), b in value()) {
        check_pair(a.as_ref(), b.as_ref());
        check_one(a.as_ref());
    }

    #[test]
    fn random_numbers_keep_their_order(a in number(), b in number()) {
        check_pair(a.as_ref(), b.as_ref());
        check_one(a.as_ref());
    }

    #[test]
    fn neighbouring_decimals_keep_their_order(base in -1e6..1e6f64, scale in -20..20i32, tail in 0..1000u32) {
        let base = base * 10f64.powi(scale);
        let text = format!("{base:.30e}");
        let (mantissa, exponent) = text.split_once('e').expect("an exponent");
        let a = decimal(&format!("{mantissa}{tail:03}e{exponent}"));
        check_pair(a.as_ref(), ValueRef::Double(base));
        check_one(a.as_ref());
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = skip(&bytes, Direction::Ascending);
        let _ = decode(&bytes, Direction::Descending, Note::Plain);
    }
}
