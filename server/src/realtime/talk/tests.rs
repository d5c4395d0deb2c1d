//! Talks as scripts: `>` a client says, `!` the world says, `<` what must follow, in order.

use query::ValueRef;
use serde_json::Value;

use super::*;
use crate::wire::ejson::{Form, text};

/// What a wish says, in one line.
fn shown(out: &Out) -> String {
    let order = |sort: &Option<Doc>| sort.as_ref().map_or("-".to_owned(), |sort| text(sort.raw(), Form::Sdk));
    match out {
        Out::Send(frame) => format!("send {frame}"),
        Out::Login(asked) => format!("login {} {}", asked.env, if asked.sign.is_empty() { "-" } else { &asked.sign }),
        Out::Begin(asked, spec) => format!(
            "begin {} {} {} {} {} {:?}",
            asked.watch,
            asked.env,
            spec.collection,
            text(spec.filter.raw(), Form::Sdk),
            order(&spec.sort),
            spec.limit
        ),
        Out::Rebuild(asked, again) => {
            format!("rebuild {} {} {} {} {}", asked.watch, asked.env, again.collection, again.query_id, again.event_id)
        }
        Out::Last(asked, query_id) => format!("last {} {query_id}", asked.watch),
        Out::Close(watch) => format!("close {watch}"),
        Out::Hang(code, _) => format!("hang {code}"),
    }
}

/// Plays a script. The world's lines: `in` and `out REASON` answer a login, `begun`, `rebuilt N`, `refused CODE` and
/// `last N` the last request, `news W N` and `ended W CODE` come by themselves.
fn play(script: &str) {
    let mut talk = Talk::new(2);
    let mut waiting: Vec<Out> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (mark, rest) = line.split_at(1);
        let rest = rest.trim();
        if mark == "<" {
            let next = if said.is_empty() { "nothing".to_owned() } else { said.remove(0) };
            assert!(fits(&next, rest), "expected {rest}\n   found {next}");
            continue;
        }
        assert!(said.is_empty(), "nobody expected: {said:?}\nbefore {line}");
        let mut out = Vec::new();
        match mark {
            ">" => talk.step(Event::Frame(rest), 5, &mut out),
            _ => tell(&mut talk, rest, &mut waiting, &mut out),
        }
        said.extend(out.iter().map(shown));
        waiting.extend(out.into_iter().filter(|wish| !matches!(wish, Out::Send(_) | Out::Close(_))));
    }
    assert!(said.is_empty(), "nobody expected: {said:?}");
}

fn tell(talk: &mut Talk, line: &str, waiting: &mut Vec<Out>, out: &mut Vec<Out>) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let asked = |waiting: &mut Vec<Out>| match waiting.remove(0) {
        Out::Begin(asked, _) | Out::Rebuild(asked, _) | Out::Last(asked, _) => asked,
        other => panic!("{other:?}"),
    };
    let some = |last| Numbered { last, texts: vec![(last, "\"x\":1}")] };
    let event = match words[0] {
        "in" | "out" => {
            let Out::Login(asked) = waiting.remove(0) else { panic!("no login") };
            let outcome = if words[0] == "in" { Ok(()) } else { Err((SIGN_EXPIRED, words[1].to_owned())) };
            Event::LoggedIn(asked, outcome)
        }
        "begun" => Event::Begun(asked(waiting), "q", 1, vec!["\"x\":0}".to_owned()]),
        "rebuilt" => Event::Rebuilt(asked(waiting), "q", some(number(1))),
        "refused" => Event::Refused(asked(waiting), "COLLECTION_PERMISSION_DENIED", "no".to_owned()),
        "last" => Event::Last(asked(waiting), "q", Some(number(1))),
        "news" => Event::News(u32::try_from(number(1)).expect("small"), "q", some(number(2))),
        "ended" => Event::Ended(u32::try_from(number(1)).expect("small"), "SYS_ERR", "over".to_owned()),
        other => panic!("{other}"),
    };
    talk.step(event, 5, out);
}

/// Is this what was expected? Frames are compared by the members that are expected.
fn fits(found: &str, expected: &str) -> bool {
    match (found.strip_prefix("send "), expected.strip_prefix("send ")) {
        (Some(found), Some(expected)) => {
            let read =
                |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            holds(&read(found), &read(expected))
        }
        _ => found == expected,
    }
}

fn holds(found: &Value, expected: &Value) -> bool {
    match expected {
        Value::Object(members) => members.iter().all(|(name, value)| holds(&found[name], value)),
        other => found == other,
    }
}

const LOGIN: &str = r#"> {"requestId":"r1","msgType":"LOGIN","msgData":{"envId":"e","accessToken":"","referrer":"web","sdkVersion":"","dataVersion":""},"exMsgData":{"runtime":"web","signStr":"s1","secretVersion":1}}
    < login e s1
    ! in
    < send {"requestId":"r1","msgType":"LOGIN_RES","msgData":{"envId":"e"}}
"#;

fn play_logged_in(script: &str) {
    play(&format!("{LOGIN}{script}"));
}

#[test]
fn a_watch_from_its_beginning_to_its_end() {
    play_logged_in(
        r#"> {"watchId":"w1","requestId":"r2","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c","query":"{\"n\":{\"$gt\":0},\"t\":{\"$date\":5}}","limit":50,"orderBy":{"n":"asc","b":"desc"}}}
        < begin 0 e c {"n":{"$gt":0},"t":{"$date":5}} {"n":1,"b":-1} Some(50)
        ! begun
        < send {"watchId":"w1","requestId":"r2","msgType":"INIT_EVENT","msgData":{"queryID":"q","currEvent":1,"events":[{"ID":0,"x":0}]}}
        ! news 0 2
        < send {"watchId":"w1","msgType":"NEXT_EVENT","msgData":{"queryID":"q","currEvent":2,"events":[{"ID":2,"x":1}]}}
        > {"watchId":"w1","requestId":"r3","msgType":"CHECK_LAST","msgData":{"queryID":"q","eventID":2}}
        < last 0 q
        ! last 2
        < send {"watchId":"w1","requestId":"r3","msgType":"CHECK_EVENT","msgData":{"queryID":"q","currEvent":2}}
        > {"requestId":"r4","msgType":"PING","msgData":null}
        < send {"requestId":"r4","msgType":"PONG","msgData":null}
        > {"watchId":"w1","requestId":"r5","msgType":"CLOSE_WATCH","msgData":null}
        < close 0
        ! news 0 3
        "#,
    );
}

#[test]
fn wx_cloud_sends_its_ticket_inside() {
    play(
        r#"> {"requestId":"r1","msgType":"LOGIN","msgData":{"envId":"e","signStr":"s2","secretVersion":1,"referrer":"mp","sdkVersion":"web","dataVersion":"unknown"}}
        < login e s2
        ! in
        < send {"requestId":"r1","msgType":"LOGIN_RES","msgData":{"envId":"e"}}
        > {"watchId":"w1","requestId":"r2","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"room","query":"{\"_id\":\"a\"}","queryType":1}}
        < begin 0 e room {"_id":"a"} - None
        "#,
    );
}

#[test]
fn queries_and_orders_come_in_several_shapes() {
    let shapes = [
        (r#""query":"\"{\\\"a\\\":{\\\"$numberInt\\\":\\\"1\\\"}}\"""#, r#"{"a":1} -"#),
        (r#""query":"\"\"""#, "{} -"),
        (r#""query":"{}","orderBy":{}"#, "{} -"),
        (r#""query":"null""#, "{} -"),
        (r#""limit":null"#, "{} -"),
        (r#""query":{"b":1,"a":2}"#, r#"{"b":1,"a":2} -"#),
        (r#""orderBy":[{"field":"z","direction":"desc"},{"field":"a","direction":"asc"}]"#, r#"{} {"z":-1,"a":1}"#),
    ];
    for (sent, read) in shapes {
        play_logged_in(&format!(
            r#"> {{"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{{"envId":"e","collName":"c",{sent}}}}}
            < begin 0 e c {read} None
            "#
        ));
    }
}

#[test]
fn refusals_have_codes_that_sdks_know() {
    play(
        r#"> {"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < send {"watchId":"w","requestId":"r","msgType":"ERROR","msgData":{"code":"CHECK_LOGIN_FAILED"}}
        > {"requestId":"r","msgType":"LOGIN","msgData":{}}
        < send {"requestId":"r","msgType":"LOGIN_RES","msgData":{"code":"SIGN_PARAM_INVALID"}}
        > {"requestId":"r","msgType":"LOGIN","msgData":{"envId":"e"}}
        < login e -
        ! out late
        < send {"requestId":"r","msgType":"LOGIN_RES","msgData":{"envId":"e","code":"SIGN_EXPIRED_ERROR","message":"late"}}
        "#,
    );
    play_logged_in(
        r#"> {"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c","query":"{"}}
        < send {"watchId":"w","requestId":"r","msgType":"ERROR","msgData":{"code":"INVALID_PARAM"}}
        > {"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c","orderBy":{"a":"up"}}}
        < send {"watchId":"w","requestId":"r","msgType":"ERROR","msgData":{"code":"INVALID_PARAM"}}
        > {"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"other","collName":"c"}}
        < send {"watchId":"w","requestId":"r","msgType":"ERROR","msgData":{"code":"CHECK_LOGIN_FAILED"}}
        > {"watchId":"w","requestId":"r","msgType":"CHECK_LAST","msgData":{"queryID":"q","eventID":2}}
        < send {"watchId":"w","requestId":"r","msgType":"ERROR","msgData":{"code":"QUERYID_INVALID_ERROR"}}
        > {"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < begin 0 e c {} - None
        ! refused
        < send {"watchId":"w","requestId":"r","msgType":"ERROR","msgData":{"code":"COLLECTION_PERMISSION_DENIED"}}
        ! news 0 2
        "#,
    );
}

#[test]
fn a_watch_that_goes_on_takes_the_place_of_its_former_self() {
    play_logged_in(
        r#"> {"watchId":"w","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < begin 0 e c {} - None
        ! begun
        < send {"msgType":"INIT_EVENT"}
        > {"watchId":"w","requestId":"r2","msgType":"REBUILD_WATCH","msgData":{"envId":"e","collName":"c","queryID":"q","eventID":3}}
        < close 0
        < rebuild 1 e c q 3
        ! rebuilt 5
        < send {"watchId":"w","requestId":"r2","msgType":"NEXT_EVENT","msgData":{"queryID":"q","currEvent":5,"events":[{"ID":5,"x":1}]}}
        ! ended 1 SYS_ERR
        < send {"watchId":"w","msgType":"ERROR","msgData":{"code":"SYS_ERR","message":"over"}}
        ! ended 1 SYS_ERR
        "#,
    );
}

#[test]
fn limits_hold_and_nonsense_ends_the_talk() {
    play_logged_in(
        r#"> {"watchId":"a","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < begin 0 e c {} - None
        > {"watchId":"b","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < begin 1 e c {} - None
        > {"watchId":"c","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < send {"watchId":"c","msgType":"ERROR","msgData":{"code":"EXCEED_REQUEST_LIMIT"}}
        > {"watchId":"a","requestId":"r","msgType":"CLOSE_WATCH","msgData":null}
        < close 0
        > {"watchId":"c","requestId":"r","msgType":"INIT_WATCH","msgData":{"envId":"e","collName":"c"}}
        < begin 2 e c {} - None
        "#,
    );
    let nonsense = ["", "[]", "{}", "null", r#"{"msgType":"DROP"}"#, "\u{0}", r#"{"msgType":1}"#, "{", "\"", "1", "x"];
    let mut talk = Talk::new(2);
    let mut out = Vec::new();
    for text in nonsense {
        talk.step(Event::Frame(text), 0, &mut out);
    }
    assert!(matches!(out.last(), Some(Out::Hang(1008, _))), "{out:?}");
    assert_eq!(out.len(), nonsense.len());
}

#[test]
fn recorded_orders_keep_their_fields() {
    let order = sort(r#"{"z":"asc","a":"desc"}"#, 0).expect("an order").expect("some");
    let fields: Vec<(&str, ValueRef<'_>)> = order.raw().iter().collect();
    assert_eq!(fields, [("z", ValueRef::Int32(1)), ("a", ValueRef::Int32(-1))]);
}
