//! Signing in as client SDKs do it, and what tokens open.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::Served;
use crate::identity::account::NewUser;

impl Served {
    /// Calls the face where newer SDKs sign in, as a browser does.
    fn auth(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("/auth{path}"));
        let request =
            request.header("content-type", "text/plain;charset=UTF-8").header("x-device-id", "0123456789abcdef");
        let request =
            if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
        let (status, answer) = self.send(request.body(Body::from(body.to_string())).expect("a request"));
        (status, serde_json::from_slice(&answer).expect("JSON"))
    }

    fn make_user(&self, username: &str) -> String {
        let env = self.app.tenants.env("env1").expect("it is there");
        let new = NewUser {
            username: Some(username.to_owned()),
            password: Some("password1".to_owned()),
            ..NewUser::default()
        };
        self.app.identity.create_user(env, new, self.app.now_ms()).expect("made").uid
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn older_sdks_sign_in_step_by_step() {
    let served = Served::start();
    let signed = served.web("auth.signInAnonymously", "", json!({"anonymous_uuid": "", "refresh_token": ""}));
    let refresh = text(&signed, "refresh_token");
    let fetched = served.web("auth.fetchAccessTokenWithRefreshToken", "", json!({"refresh_token": refresh}));
    assert_eq!(fetched["access_token_expire"], 7_200_000);
    let token = text(&fetched, "access_token");
    let info = served.web("auth.getUserInfo", token, json!({}));
    assert_eq!((&info["data"]["loginType"], &info["data"]["envName"]), (&json!("ANONYMOUS"), &json!("env1")));
    let again = served.web("auth.signInAnonymously", "", json!({"anonymous_uuid": text(&signed, "uuid")}));
    let fetched = served.web(
        "auth.fetchAccessTokenWithRefreshToken",
        "",
        json!({"refresh_token": text(&again, "refresh_token")}),
    );
    let same = served.web("auth.getUserInfo", text(&fetched, "access_token"), json!({}));
    assert_eq!(same["data"]["uid"], info["data"]["uid"]);
    assert_eq!(served.web("auth.getUserInfo", "", json!({}))["code"], "CHECK_LOGIN_FAILED");
    served.web("auth.logout", token, json!({"refresh_token": refresh}));
    assert_eq!(served.web("auth.getUserInfo", token, json!({}))["code"], "ACCESS_TOKEN_EXPIRED");
    let refused = served.web("auth.fetchAccessTokenWithRefreshToken", "", json!({"refresh_token": refresh}));
    assert_eq!(refused["code"], "INVALID_REFRESH_TOKEN");
    let offered = served.web("auth.signIn", "", json!({"loginType": "WECHAT-OPEN"}));
    assert_eq!(offered["code"], "INVALID_ACTION");
}

#[test]
fn names_and_passwords_open_accounts() {
    let served = Served::start();
    let uid = served.make_user("alice");
    let wrong = json!({"loginType": "USERNAME", "username": "alice", "password": "password2"});
    assert_eq!(served.web("auth.signIn", "", wrong)["code"], "INVALID_USERNAME_OR_PASSWORD");
    let right = json!({"loginType": "USERNAME", "username": "alice", "password": "password1"});
    let signed = served.web("auth.signIn", "", right);
    assert!(signed.get("access_token").is_none(), "older SDKs would read it wrongly");
    let refresh = json!({"refresh_token": text(&signed, "refresh_token")});
    let token = served.web("auth.fetchAccessTokenWithRefreshToken", "", refresh.clone());
    let token = text(&token, "access_token");
    served.web("auth.updateUserInfo", token, json!({"nickName": "Al", "uid": "forged"}));
    let info = served.web("auth.getUserInfo", token, json!({}));
    assert_eq!((&info["data"]["uid"], &info["data"]["nickName"]), (&json!(uid), &json!("Al")));
    assert_eq!(info["data"]["hasPassword"], true);
    let registered = served.web("auth.isUsernameRegistered", "", json!({"username": "alice"}));
    assert_eq!(registered["data"]["isRegistered"], true);
    let known = served.done("auth.getUserInfoForAdmin", json!({"uuid": uid}));
    assert_eq!((&known["data"]["uid"], &known["data"]["isAnonymous"]), (&json!(uid), &json!(false)));
    assert!(served.web("auth.getUserInfoForAdmin", token, json!({"uuid": uid})).get("data").is_none());
    let (status, users) = served.own("GET", "/envs/env1/users", "");
    assert_eq!((status, &users["users"][0]["username"]), (200, &json!("alice")));
}

#[test]
fn newer_sdks_sign_in_at_once() {
    let served = Served::start();
    let (status, made) = served.auth("POST", "/v1/signin/anonymously?client_id=env1", "", &json!({}));
    assert_eq!((status, &made["scope"], &made["expires_in"]), (200, &json!("anonymous"), &json!(7200)));
    let (_, me) = served.auth("GET", "/v1/user/me", text(&made, "access_token"), &json!({}));
    assert_eq!((&me["sub"], &me["name"]), (&made["sub"], &json!("anonymous")));
    let (status, refused) = served.auth("GET", "/v1/user/me", "eyJhbGciOiJub25lIn0.e30.", &json!({}));
    assert_eq!((status, &refused["error"], &refused["error_code"]), (401, &json!("unauthenticated"), &json!(16)));
    served.make_user("bob");
    let (status, wrong) =
        served.auth("POST", "/v1/signin?client_id=env1", "", &json!({"username": "bob", "password": "password"}));
    assert_eq!((status, &wrong["error"]), (400, &json!("invalid_username_or_password")));
    let (_, bob) =
        served.auth("POST", "/v1/signin?client_id=env1", "", &json!({"username": "bob", "password": "password1"}));
    assert_eq!(bob["scope"], "user");
    let exchange = json!({"client_id": "env1", "grant_type": "refresh_token", "refresh_token": bob["refresh_token"]});
    let (_, next) = served.auth("POST", "/v1/token", "", &exchange);
    assert_ne!(next["refresh_token"], bob["refresh_token"]);
    let token = text(&next, "access_token");
    let (_, sudo) = served.auth("POST", "/v1/user/sudo", token, &json!({"password": "password1"}));
    let change = json!({"sudo_token": sudo["sudo_token"], "new_password": "password2"});
    assert_eq!(served.auth("PATCH", "/v1/user/password", token, &change), (200, json!({})));
    let (_, exists) = served.auth("GET", "/v1/checkIfUserExist?username=bob&client_id=env1", "", &json!({}));
    assert_eq!(exists["exist"], true);
    assert_eq!(served.auth("POST", "/v1/revoke", token, &json!({"token": token})), (200, json!({})));
    assert_eq!(served.auth("GET", "/v1/user/me", token, &json!({})).0, 401);
    let (status, gone) = served.auth("POST", "/v1/token", "", &exchange);
    assert_eq!((status, &gone["error"]), (400, &json!("invalid_grant")));
    assert_eq!(served.auth("POST", "/v1/no/such", "", &json!({})).0, 501);
}

#[test]
fn a_token_of_one_environment_opens_no_other() {
    let served = Served::start();
    served.app.tenants.create_env("env2").expect("an environment");
    let (_, made) = served.auth("POST", "/v1/signin/anonymously?client_id=env2", "", &json!({}));
    let answer = served.web("database.getDocument", text(&made, "access_token"), json!({"collectionName": "c"}));
    assert_eq!(answer["code"], "INVALID_ENV");
    let exchange = json!({"client_id": "env1", "grant_type": "refresh_token", "refresh_token": made["refresh_token"]});
    assert_eq!(served.auth("POST", "/v1/token", "", &exchange).0, 400);
}
