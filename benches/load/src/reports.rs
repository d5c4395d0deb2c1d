//! What reports, joins and search boxes ask: pipelines for those servers that have pipelines, and collections beside the
//! posts. The same questions in SQL stand with PostgreSQL.

use serde_json::{Value, json};

use crate::data::{CATEGORIES, USERS, category, id, mix, openid};

/// A question over many documents.
#[derive(Clone, Debug)]
pub enum Report {
    /// Groups by a field that an index holds.
    Covered,
    /// Groups by a field that no index holds.
    Uncovered,
    /// Groups one document in a hundred.
    Slice { category: String },
    /// Finds the users of one post in ten.
    Join { categories: Vec<String> },
    /// The newest hundred, by a field without an index.
    Top,
    /// Articles with either of two words, best first.
    Words { words: String },
}

/// How many categories make a tenth of the posts.
const TENTH: u64 = CATEGORIES / 10;
/// Score below which half of the posts of a category lie.
pub const HALF: u64 = 500;
/// Rows of the newest.
pub const TOP_ROWS: u64 = 100;

impl Report {
    pub fn slice(random: u64) -> Report {
        Report::Slice { category: category(random % CATEGORIES) }
    }

    pub fn join(random: u64) -> Report {
        Report::Join { categories: (0..TENTH).map(|place| category((random + place) % CATEGORIES)).collect() }
    }

    pub fn words(random: u64) -> Report {
        let count = WORDS.len() as u64;
        let first = random % count;
        let words = [first, (first + 1 + (random >> 32) % (count - 1)) % count];
        Report::Words { words: words.map(word).join(" ") }
    }

    /// The collection and the stages.
    pub fn pipeline(&self) -> (&'static str, Vec<Value>) {
        let mean = |by: &str| json!({ "$group": { "_id": by, "avg": { "$avg": "$score" } } });
        let posts = |stages: Vec<Value>| ("posts", stages);
        match self {
            Report::Covered => posts(vec![mean("$category")]),
            Report::Uncovered => posts(vec![mean("$author.city")]),
            Report::Slice { category } => posts(vec![
                json!({ "$match": { "category": category, "score": { "$lt": HALF } } }),
                mean("$author.city"),
            ]),
            Report::Join { categories } => posts(vec![
                json!({ "$match": { "category": { "$in": categories } } }),
                json!({ "$lookup": { "from": "users", "localField": "_openid", "foreignField": "_id", "as": "user" } }),
                json!({ "$unwind": "$user" }),
                json!({ "$group": { "_id": "$user.level", "n": { "$sum": 1 } } }),
            ]),
            Report::Top => posts(vec![json!({ "$sort": { "created": -1 } }), json!({ "$limit": TOP_ROWS })]),
            Report::Words { words } => (
                "articles",
                vec![
                    json!({ "$match": { "$text": { "$search": words } } }),
                    json!({ "$sort": { "score": { "$meta": "textScore" } } }),
                    json!({ "$limit": crate::data::ROWS }),
                ],
            ),
        }
    }
}

/// Every user of the posts.
pub fn users() -> Vec<Value> {
    (0..USERS)
        .map(|user| json!({ "_id": openid(user), "name": format!("user{user:05}"), "level": mix(30, user) % 10 }))
        .collect()
}

/// An article of twelve words. They stand apart for servers that do not know Chinese; where one does, the loader joins them.
pub fn article(index: u64) -> Value {
    let words: Vec<&str> = (0..12).map(|at| word(mix(200 + at, index) % WORDS.len() as u64)).collect();
    json!({ "_id": id(index), "text": words.join(" "), "views": mix(31, index) % 1000 })
}

fn word(number: u64) -> &'static str {
    WORDS.get(number as usize).copied().unwrap_or_default()
}

/// Common words of two characters.
const WORDS: [&str; 160] = [
    "北京", "上海", "咖啡", "公园", "医院", "学校", "老师", "学生", "电影", "音乐", "旅游", "美食", "火车", "飞机",
    "汽车", "手机", "电脑", "网络", "新闻", "天气", "城市", "农村", "河流", "山脉", "海洋", "森林", "草原", "沙漠",
    "春天", "夏天", "秋天", "冬天", "早晨", "中午", "晚上", "周末", "家庭", "父母", "孩子", "朋友", "同事", "邻居",
    "公司", "工厂", "商店", "市场", "银行", "邮局", "餐厅", "酒店", "厨房", "卧室", "客厅", "阳台", "花园", "桌子",
    "椅子", "沙发", "冰箱", "空调", "衣服", "裤子", "鞋子", "帽子", "眼镜", "手表", "书包", "雨伞", "苹果", "香蕉",
    "葡萄", "西瓜", "牛奶", "面包", "鸡蛋", "米饭", "面条", "饺子", "豆腐", "蔬菜", "足球", "篮球", "游泳", "跑步",
    "唱歌", "跳舞", "画画", "摄影", "读书", "写作", "历史", "地理", "数学", "物理", "化学", "生物", "语文", "英语",
    "政治", "经济", "文化", "艺术", "科学", "技术", "教育", "健康", "安全", "环境", "法律", "军事", "农业", "工业",
    "商业", "交通", "能源", "石油", "煤炭", "钢铁", "黄金", "白银", "股票", "基金", "保险", "房屋", "土地", "道路",
    "桥梁", "隧道", "港口", "机场", "车站", "地铁", "船舶", "警察", "医生", "护士", "律师", "记者", "作家", "演员",
    "歌手", "导演", "司机", "厨师", "农民", "工人", "军人", "老虎", "狮子", "大象", "熊猫", "猴子", "兔子", "小狗",
    "小猫", "鲜花", "树木", "太阳", "月亮", "星星",
];
