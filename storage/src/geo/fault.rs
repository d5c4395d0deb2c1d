//! Everything that can be wrong with a geometry, a shape or a `near` argument.
//!
//! One closed list, so that codes and words stand in one place. The numbers are MongoDB's.

/// Why a value is no usable geometry, shape or near argument.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what the name means")]
pub enum GeoFault {
    // --- points
    #[error("a geometry must be an array or an object, got {0}")]
    NotGeometry(&'static str),
    #[error("a point must be an array or an object")]
    PointNotObject,
    #[error("a point needs two numbers: longitude (or x), then latitude (or y)")]
    PointNotNumeric,
    #[error("a point in a query has exactly two numbers; remove the rest")]
    PointTooLong,
    #[error("the numbers of a point must be finite")]
    PointNotFinite,
    #[error("longitude must be within ±180 and latitude within ±90, got longitude {lng}, latitude {lat}")]
    OutOfBounds { lng: f64, lat: f64 },
    // --- GeoJSON
    #[error(
        "unknown GeoJSON type {0}: expected Point, LineString, Polygon, MultiPoint, MultiLineString, MultiPolygon \
         or GeometryCollection"
    )]
    UnknownType(String),
    #[error("the coordinates of a {0} must be an array")]
    CoordinatesNotArray(&'static str),
    #[error("the coordinates of a {0} must have at least one element")]
    CoordinatesEmpty(&'static str),
    #[error("each position in GeoJSON coordinates must be an array [longitude, latitude]")]
    PositionNotArray,
    #[error("a line needs at least two different positions")]
    LineTooShort,
    #[error("two neighbouring positions of a line are opposite points of the globe: the way between them is undefined")]
    LineOpposite,
    #[error("a ring of a polygon has no positions")]
    RingEmpty,
    #[error("a ring of a polygon must end at the position where it begins")]
    RingOpen,
    #[error("a ring of a polygon needs at least three different positions")]
    RingTooShort,
    #[error("a ring of a polygon must not touch itself: a position occurs twice")]
    RingTouchesItself,
    #[error("a ring of a polygon must not cross itself")]
    RingCrossesItself,
    #[error("a polygon needs at least one ring")]
    PolygonEmpty,
    #[error("every ring after the first is a hole and must lie inside the first ring")]
    HoleOutside,
    #[error("two rings of a polygon share an edge")]
    RingsShareEdge,
    #[error("a ring of a polygon covers more than half of the globe")]
    RingTooLarge,
    #[error("two rings of a polygon cross")]
    RingsCross,
    #[error("a hole touches the outer ring in more than one position")]
    HoleSharesVertices,
    #[error("a hole of a polygon must not lie inside another hole")]
    HolesNested,
    #[error("a polygon with strict winding has one ring and no holes")]
    WindingOneRing,
    #[error("a polygon with strict winding cannot be stored in an indexed field or a collection of geometries")]
    WindingStored,
    #[error("crs must be an object")]
    CrsNotObject,
    #[error("crs must have type: \"name\"")]
    CrsNotNamed,
    #[error("crs must have properties: {{name: …}}")]
    CrsNoName,
    #[error("strict winding is for polygons only")]
    CrsWinding,
    #[error("unknown crs {0}: use urn:ogc:def:crs:OGC:1.3:CRS84 or EPSG:4326")]
    CrsUnknown(String),
    #[error("geometries of a GeometryCollection must be an array")]
    GeometriesNotArray,
    #[error("geometries of a GeometryCollection must have at least one element")]
    GeometriesEmpty,
    #[error("element {0} of geometries is not an object")]
    GeometriesElement(usize),
    #[error("a GeometryCollection must not contain another")]
    GeometriesNested,
    #[error("the geometry is too complex to compare: its edges overlap too often; simplify it")]
    TooComplex,
    // --- shapes
    #[error("unknown shape {0}: expected $geometry, $box, $center, $centerSphere or $polygon with an array or object")]
    UnknownShape(String),
    #[error("a geo condition needs a shape, such as {{$geometry: …}}")]
    NoShape,
    #[error("the argument of {0} must be an object with a shape in it")]
    ShapeNotObject(&'static str),
    #[error("a $polygon needs at least three points")]
    PolygonTooShort,
    #[error("a radius must be a number and not negative")]
    Radius,
    #[error("a circle has a center and a radius, nothing else")]
    CircleTooLong,
    #[error("$geoWithin needs an area: Polygon, MultiPolygon, a collection with one of them, or a planar shape")]
    NotArea,
    #[error("$geoIntersects needs a $geometry with GeoJSON, not a planar shape")]
    NotSpherical,
    // --- near
    #[error("$near needs a point")]
    NearNoPoint,
    #[error("invalid argument in $near: {0}")]
    NearField(String),
    #[error("invalid argument beside $near: {0}")]
    NearSibling(String),
    #[error("$near with $geometry takes one object, found also {0}")]
    NearTwoObjects(String),
    #[error("the argument of $near is not an object")]
    NearNotObject,
    #[error("invalid point in $geometry: {0}")]
    NearPoint(Box<GeoFault>),
    #[error("$near with $geometry needs a GeoJSON point, not a coordinate pair")]
    NearNotGeoJson,
    #[error("$nearSphere needs longitude within ±180 and latitude within ±90")]
    NearOutOfBounds,
    #[error("{0} must be a number")]
    DistanceNotNumber(&'static str),
    #[error("{0} must be a finite number that is not negative")]
    DistanceNegative(&'static str),
    #[error("{0} beside a coordinate pair must be a number")]
    LegacyDistanceNotNumber(&'static str),
    #[error("{0} beside a coordinate pair must not be negative")]
    LegacyDistanceNegative(&'static str),
    #[error("the distance in a $near array must not be negative")]
    ArrayDistanceNegative,
    // --- indexes
    #[error("cannot take geo keys from the value: {0}")]
    Unindexable(Box<GeoFault>),
    #[error("a 2d index takes coordinate pairs or an array of them")]
    GridNotPairs,
    #[error("a coordinate pair has two numbers, got one element")]
    GridOneElement,
    #[error("a coordinate pair in a 2d index has two numbers")]
    GridNotNumeric,
    #[error("point not within the index bounds of {min} to {max}")]
    GridOutOfBounds { min: f64, max: f64 },
    #[error("the point of a $near must lie within the index bounds of {min} to {max}")]
    GridCenterOutOfBounds { min: f64, max: f64 },
    #[error("bits of a 2d index must be between 1 and 32, got {0}")]
    GridBits(f64),
    #[error("the bounds of a 2d index must be finite numbers with min < max, got {min} and {max}")]
    GridBounds { min: f64, max: f64 },
}

impl GeoFault {
    /// MongoDB's number for this fault.
    pub const fn code(&self) -> i32 {
        match self {
            GeoFault::NearSibling(_) => 34413,
            GeoFault::LegacyDistanceNotNumber(name) => {
                if is_minimum(name) {
                    16893
                } else {
                    16895
                }
            }
            GeoFault::LegacyDistanceNegative(name) => {
                if is_minimum(name) {
                    16894
                } else {
                    16896
                }
            }
            GeoFault::ArrayDistanceNegative => 18522,
            GeoFault::Unindexable(_) => 16755,
            GeoFault::GridNotPairs => 16804,
            GeoFault::GridOneElement => 13068,
            GeoFault::GridNotNumeric => 13026,
            GeoFault::GridOutOfBounds { .. } => 13027,
            GeoFault::GridCenterOutOfBounds { .. } => 16433,
            GeoFault::GridBits(_) | GeoFault::GridBounds { .. } => 72,
            _ => 2,
        }
    }
}

const fn is_minimum(name: &str) -> bool {
    matches!(name.as_bytes(), b"$minDistance")
}
