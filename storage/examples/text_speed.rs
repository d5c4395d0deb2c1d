//! How fast a text index is built and answers: `cargo run --release -p storage --example text_speed -- [documents]`.
//!
//! Short Chinese texts of words by chance; then two words that many of them hold, and two that few do.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use storage::text::{Search, SearchText, TextSpec};
use storage::{Collection, DocBuilder, Error, FieldOrder, IndexSpec, IndexState, Options, Store, ValueRef};

const WORDS: &str = "北京 上海 大学 学生 老师 咖啡 牛奶 手机 电脑 音乐 电影 旅游 火车 飞机 天气 下雨 苹果 香蕉 米饭 面条 \
                     朋友 家庭 孩子 医院 医生 公司 经理 工作 会议 计划 问题 办法 时间 早上 晚上 今天 明天 昨天 城市 农村 \
                     历史 文化 经济 政治 科学 技术 数学 物理 化学 生物 运动 足球 篮球 比赛 冠军 新闻 报纸 杂志 书店 图书馆";

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Options::default()).expect("opens");
    let (env, _) = store.create_env("e").expect("makes");
    store.create_collection(env, "c").expect("makes").wait().expect("durable");
    let coll = store.view().collection(env, "c").cloned().expect("there");
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut chance = 1u64;
    let mut below = |end: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(chance >> 33).expect("small") % end
    };
    let mut last = None;
    for id in 0..count {
        let mut text: String = (0..12).map(|_| words[below(words.len())]).collect();
        if id % 1000 == 0 {
            text.push_str("熊猫");
        }
        let mut doc = DocBuilder::new();
        doc.put("_id", ValueRef::Int64(i64::try_from(id).expect("small")));
        doc.put("t", ValueRef::String(&text));
        last = Some(store.insert(&coll, &doc.finish()).expect("inserts").1);
    }
    last.expect("a document").wait().expect("durable");
    let start = Instant::now();
    store.create_index(env, "c", &spec()).expect("makes").1.wait().expect("durable");
    let ready = || {
        let coll = store.view().collection(env, "c").cloned().expect("there");
        coll.index("words").is_some_and(|index| index.state == IndexState::Ready).then_some(coll)
    };
    let coll = loop {
        match ready() {
            Some(coll) => break coll,
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let took = start.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = count as f64 / took.as_secs_f64();
    println!("built: {count} documents in {took:.2?}, {rate:.0} a second");
    for text in ["北京 咖啡", "熊猫", "熊猫 北京大学"] {
        measure(&store, &coll, text);
    }
    println!("memory: {}", memory());
}

fn measure(store: &Store, coll: &Collection, text: &str) {
    let index = coll.index("words").expect("there");
    let search = Search::new(&SearchText { text, ..SearchText::default() }, index.text.as_ref().expect("texts"));
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..50 {
        let (view, start) = (store.view(), Instant::now());
        let hits = view.text_hits(coll, index, &search, &mut || Ok::<(), Error>(())).expect("answers").expect("ready");
        let mut best = hits.found.clone();
        best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        let first: Vec<_> = best.iter().take(20).map(|(rid, _)| *rid).collect();
        let docs = view.docs(coll, &first).expect("reads");
        docs.iter().flatten().for_each(|doc| {
            let score = search.score(doc.raw(), &mut || Ok::<(), Error>(()));
            assert!(score.expect("scored").is_some());
        });
        times.push(start.elapsed());
        found = hits.found.len();
    }
    times.sort();
    println!("{text}: {found} found; best 20 in {:.2?} (median), {:.2?} (worst)", times[25], times[49]);
}

fn spec() -> IndexSpec {
    let weights = vec![("t".to_owned(), 1)];
    IndexSpec {
        name: "words".into(),
        fields: vec![("t".into(), FieldOrder::Text)],
        unique: false,
        sparse: false,
        partial: None,
        expire_after_s: None,
        collation: None,
        grid: storage::geo::Grid::default(),
        text: Some(TextSpec { weights, default_language: "chinese".into(), language_override: "language".into() }),
    }
}

/// Memory in use, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("unknown").to_owned()
}
