//! Properties over random geometries, large and tiny, round-numbered and not, at the places where cells and longitudes
//! meet their ends.

use super::super::cells::leaf;
use super::super::geometry::Body;
use super::super::vector::Vector;
use super::*;

/// Where on the globe, and how large: a frame that random geometries are put into.
#[derive(Clone, Copy, Debug)]
struct Frame {
    lng: f64,
    lat: f64,
    size: f64,
    round: bool,
}

fn frame() -> impl Strategy<Value = Frame> {
    let centers = prop::sample::select(vec![
        (0.0, 0.0),
        (116.4, 39.9),
        (179.9999, 0.0),
        (-180.0, 45.0),
        (45.0, 35.264_389_682_754_65), // a corner of the cube
        (90.0, 0.0),
        (45.0, 0.0),
        (10.0, 89.9),
        (0.0, -90.0),
    ]);
    let sizes = prop::sample::select(vec![1e-8, 1e-5, 1e-2, 1.0, 10.0, 60.0]);
    (centers, sizes, any::<bool>()).prop_map(|((lng, lat), size, round)| Frame { lng, lat, size, round })
}

impl Frame {
    fn position(&self, (x, y): (f64, f64)) -> String {
        let (mut lng, lat) = (self.lng + x * self.size, (self.lat + y * self.size).clamp(-90.0, 90.0));
        if lng > 180.0 {
            lng -= 360.0;
        }
        if lng < -180.0 {
            lng += 360.0;
        }
        if self.round && self.size >= 1.0 {
            format!("[{}, {}]", lng.round(), lat.round())
        } else {
            format!("[{lng:?}, {lat:?}]")
        }
    }

    fn positions(&self, points: &[(f64, f64)]) -> String {
        let all: Vec<String> = points.iter().map(|point| self.position(*point)).collect();
        format!("[{}]", all.join(", "))
    }
}

fn point() -> impl Strategy<Value = (f64, f64)> {
    (-1.0..1.0, -1.0..1.0)
}

fn points(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec(point(), count)
}

/// A star-shaped ring: corners at rising angles around a middle.
fn star() -> impl Strategy<Value = Vec<(f64, f64)>> {
    (point(), prop::collection::vec((0.0..0.8, 0.2..1.0), 3..12), any::<bool>()).prop_map(
        |((x, y), corners, backwards)| {
            let count = corners.len() as f64;
            let mut ring: Vec<(f64, f64)> = corners
                .iter()
                .enumerate()
                .map(|(place, (shift, reach))| {
                    let angle = (place as f64 + shift) / count * std::f64::consts::TAU;
                    (x * 0.5 + 0.5 * reach * angle.cos(), y * 0.5 + 0.5 * reach * angle.sin())
                })
                .collect();
            if backwards {
                ring.reverse();
            }
            ring.push(ring[0]);
            ring
        },
    )
}

/// The text of a geometry in a frame.
fn geometry(frame: Frame) -> impl Strategy<Value = String> {
    let text = move |kind: &str, coordinates: String| format!("{{type: \"{kind}\", coordinates: {coordinates}}}");
    let point_ = point().prop_map(move |point| text("Point", frame.position(point)));
    let line = points(2..6).prop_map(move |points| text("LineString", frame.positions(&points)));
    let dots = points(1..30).prop_map(move |points| text("MultiPoint", frame.positions(&points)));
    let polygon = star().prop_map(move |ring| text("Polygon", format!("[{}]", frame.positions(&ring)))).boxed();
    let pair = point().prop_map(move |point| frame.position(point));
    let simple = prop_oneof![point_, line, dots, polygon.clone()].boxed();
    let several = prop::collection::vec(simple.clone(), 1..4)
        .prop_map(|all| format!("{{type: \"GeometryCollection\", geometries: [{}]}}", all.join(", ")));
    prop_oneof![3 => simple, 2 => polygon, 1 => pair, 1 => several]
}

fn condition_text(frame: Frame) -> impl Strategy<Value = (&'static str, String)> {
    let geometry = geometry(frame).prop_map(|text| format!("{{$geometry: {text}}}"));
    let circle = (point(), 0.0..2.0_f64).prop_map(move |(center, radius)| {
        format!("{{$centerSphere: [{}, {:?}]}}", frame.position(center), (radius * frame.size).to_radians())
    });
    let flat_circle = (point(), 0.0..2.0_f64).prop_map(move |(center, radius)| {
        format!("{{$center: [{}, {:?}]}}", frame.position(center), radius * frame.size)
    });
    let boxed = points(2..3).prop_map(move |corners| format!("{{$box: {}}}", frame.positions(&corners)));
    let polygon = star().prop_map(move |ring| format!("{{$polygon: {}}}", frame.positions(&ring)));
    prop_oneof![
        4 => (prop::sample::select(vec!["within", "intersects"]), geometry),
        1 => circle.prop_map(|text| ("within", text)),
        1 => flat_circle.prop_map(|text| ("within", text)),
        1 => boxed.prop_map(|text| ("within", text)),
        1 => polygon.prop_map(|text| ("within", text)),
    ]
}

/// Points that certainly lie in the geometry: vertices, middles of arcs, and inner points of polygons.
fn samples(geometry: &Geometry) -> Vec<Vector> {
    let Body::Parts(parts) = &geometry.0 else {
        let Body::Place(place) = &geometry.0 else { return vec![] };
        return place.sphere.into_iter().collect();
    };
    let chains =
        parts.lines.iter().map(|line| line.chain()).chain(parts.polygons.iter().flat_map(|polygon| polygon.chains()));
    let mut samples = parts.points.clone();
    for chain in chains {
        samples.extend(chain.vertices());
        samples.extend(chain.iter().map(|(a, b)| (a + b).normalize()));
    }
    for polygon in &parts.polygons {
        let corners: Vec<Vector> = polygon.chains().flat_map(|chain| chain.vertices()).copied().collect();
        let pairs = corners.iter().zip(corners.iter().skip(2));
        samples.extend(pairs.map(|(a, b)| (*a + *b).normalize()).filter(|point| polygon.contains_point(*point)));
    }
    samples
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn covers_hold_their_geometry(text in frame().prop_flat_map(geometry)) {
        let value = value(&text);
        if let Ok(geometry) = Geometry::stored(value.as_ref()) {
            let cells = geometry.cover();
            prop_assert!(cells.len() <= 40, "{} cells", cells.len());
            let ranges: Vec<(u64, u64)> = cells.iter().map(|cell| span(*cell)).collect();
            for sample in samples(&geometry) {
                prop_assert!(reaches(&[leaf(sample).0], &ranges), "{sample:?} is not covered");
            }
        }
    }

    #[test]
    fn no_match_is_lost_by_the_index(
        ((operator, argument), texts) in frame().prop_flat_map(|frame| {
            (condition_text(frame), prop::collection::vec(geometry(frame), 20))
        })
    ) {
        let Ok(shape) = shape(operator, &argument) else { return Ok(()) };
        let grid = Grid::default();
        let (ranges, grid_ranges) = (shape.ranges(Stored::Areas), shape.grid_ranges(&grid));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        for text in texts {
            let value = value(&text);
            if shape.matches(value.as_ref()) != Ok(true) {
                continue;
            }
            if let Ok(cells) = sphere_cells(value.as_ref()) {
                prop_assert!(reaches(&cells, &ranges), "{operator} {argument} loses {text}");
            }
            if let Ok(cells) = grid.cells(value.as_ref()) {
                prop_assert!(reaches(&cells, &grid_ranges), "2d: {operator} {argument} loses {text}");
            }
        }
    }

    #[test]
    fn rings_find_everything_in_order(
        (at, texts, limit, least) in frame().prop_flat_map(|frame| {
            let at = point().prop_map(move |at| frame.position(at));
            (at, prop::collection::vec(geometry(frame), 20), 0.0..3.0_f64, 0.0..1.0_f64)
        }),
        metric in 0..4,
    ) {
        let values: Vec<Value> = texts.iter().map(|text| value(text)).collect();
        let text = match metric {
            0 => format!("{{$near: {{type: \"Point\", coordinates: {at}}}}}"),
            1 => format!("{{$nearSphere: {at}, $maxDistance: {limit:?}}}"),
            2 => format!("{{$nearSphere: {at}, $minDistance: {least:?}}}"),
            _ => format!("{{$near: {at}, $minDistance: {least:?}, $maxDistance: {:?}}}", limit * 20.0),
        };
        let (near, grid) = (condition(&text).unwrap(), Grid::default());
        if let Some(rings) = near.rings(Stored::Areas) {
            check_rings(&near, rings, &values, |value| sphere_cells(value).unwrap_or_default())?;
        }
        if let Some(rings) = near.grid_rings(&grid).unwrap() {
            check_rings(&near, rings, &values, |value| grid.cells(value).unwrap_or_default())?;
        }
    }

    #[test]
    fn polygons_contain_what_they_are_made_of(
        (frame, ring) in (frame(), star())
    ) {
        let text = format!("{{type: \"Polygon\", coordinates: [{}]}}", frame.positions(&ring));
        let polygon = value(&text);
        let argument = format!("{{$geometry: {text}}}");
        // At a pole, corners of different longitudes are one place or nearly so and may fall outside, as in MongoDB;
        // so may a corner at exactly 90° east on the equator, which rounding puts beside its own leaf.
        if Geometry::stored(polygon.as_ref()).is_err() || frame.lat.abs() + frame.size > 85.0 || frame.round {
            return Ok(());
        }
        let (within, meets) = (shape("within", &argument).unwrap(), shape("intersects", &argument).unwrap());
        prop_assert_eq!(within.matches(polygon.as_ref()), Ok(true));
        prop_assert_eq!(meets.matches(polygon.as_ref()), Ok(true));
        for corner in &ring {
            prop_assert_eq!(within.matches(value(&frame.position(*corner)).as_ref()), Ok(true));
        }
    }

    #[test]
    fn meeting_is_mutual(
        (left, right) in frame().prop_flat_map(|frame| (geometry(frame), geometry(frame)))
    ) {
        let meets = |argument: &str, text: &str| {
            shape("intersects", &format!("{{$geometry: {argument}}}")).map(|shape| shape.matches(value(text).as_ref()))
        };
        if let (Ok(forward), Ok(backward)) = (meets(&left, &right), meets(&right, &left)) {
            prop_assert_eq!(forward, backward, "{} {}", left, right);
        }
    }
}

/// The leaves under a cell.
fn span(cell: u64) -> (u64, u64) {
    let lowest = cell & cell.wrapping_neg();
    (cell - (lowest - 1), cell + (lowest - 1))
}

/// Reads ring by ring and compares with a plain sort of all distances.
fn check_rings(
    near: &Near,
    mut rings: Rings,
    values: &[Value],
    cells: impl Fn(ValueRef<'_>) -> Vec<u64>,
) -> Result<(), TestCaseError> {
    let filed: Vec<Vec<u64>> = values.iter().map(|value| cells(value.as_ref())).collect();
    let distance = |place: usize| near.nearest([values[place].as_ref()]).map(|nearest| nearest.distance);
    let mut unread: Vec<usize> = (0..values.len()).filter(|place| !filed[*place].is_empty()).collect();
    let mut expect: Vec<f64> = unread.iter().filter_map(|place| distance(*place)).collect();
    expect.sort_by(f64::total_cmp);
    let (mut waiting, mut given): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut read = Vec::new();
    while let Some(ring) = rings.next(read.len()) {
        read = unread.extract_if(.., |place| reaches(&filed[*place], &ring.ranges)).collect();
        waiting.extend(read.iter().filter_map(|place| distance(*place)));
        waiting.sort_by(f64::total_cmp);
        let ready = waiting.partition_point(|distance| *distance <= ring.complete_to);
        given.extend(waiting.drain(..ready));
    }
    prop_assert_eq!(given, expect);
    Ok(())
}
