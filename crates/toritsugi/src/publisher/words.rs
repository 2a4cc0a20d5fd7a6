//! What is answered to an order to roll back, in English and in Japanese.

use crate::versions::Entry;
use crate::words::Both;
use model::Version;

pub(super) fn no_version(number: u64, kept: &[Entry]) -> Both {
    match kept {
        [] => Both::new("no version is kept yet.", "保存された版はまだありません。"),
        [first, .., last] => Both::new(
            format_args!("there is no version {number}: kept are {} to {} (toritsugi history).", first.number, last.number),
            format_args!(
                "第 {number} 版はありません。保存されているのは第 {} 版から第 {} 版までです（一覧は toritsugi history）。",
                first.number, last.number
            ),
        ),
        [only] => Both::new(
            format_args!("there is no version {number}: kept is {} (toritsugi history).", only.number),
            format_args!("第 {number} 版はありません。保存されているのは第 {} 版だけです（一覧は toritsugi history）。", only.number),
        ),
    }
}

pub(super) fn in_force_already(number: u64, version: &Version) -> Both {
    Both::new(
        format_args!("version {number} ({version}) is what is in force: nothing was changed."),
        format_args!("第 {number} 版（{version}）はすでに公開中です。何も変更していません。"),
    )
}

pub(super) fn not_kept_whole(number: u64, why: &str) -> Both {
    Both::new(
        format_args!("{why}. Nothing was changed."),
        format_args!("第 {number} 版の保存された内容を使えません（{why}）。何も変更していません。"),
    )
}

pub(super) fn loads_no_more(number: u64, why: &Both) -> Both {
    Both::new(
        format_args!("version {number} cannot be put in force any more, and nothing was changed: {}", why.en.trim_end()),
        format_args!("第 {number} 版は、いまのプログラムでは公開できません。何も変更していません。理由：{}", why.ja.trim_end()),
    )
}

pub(super) fn tests_fail(number: u64, failing: &Both) -> Both {
    Both::new(
        format_args!(
            "version {number} fails its own tests today, and nothing was changed: {}\nIf it must be in force all the same: toritsugi rollback \
             {number} --although-tests-fail",
            failing.en
        ),
        format_args!(
            "第 {number} 版は、きょうはその版自身のテストに合格しません。何も変更していません。{}\nそれでも公開する場合は、toritsugi \
             rollback {number} --although-tests-fail と入力してください。",
            failing.ja
        ),
    )
}

/// It is done. `kept`: its number in the history. `differs`: the city's files say something else.
pub(super) fn again_in_force(number: u64, version: &Version, kept: Option<u64>, differs: bool, failing: Option<&Both>) -> Both {
    let as_version = kept.map_or_else(Both::default, |kept| {
        Both::new(format_args!(", as version {kept}"), format_args!("履歴では第 {kept} 版になります。"))
    });
    let mut said = Both::new(
        format_args!("Version {number} ({version}) is in force again{}.", as_version.en),
        format_args!("第 {number} 版（{version}）を、ふたたび公開しました。{}", as_version.ja),
    );
    said = said.and(&if differs && kept.is_none() {
        Both::new(
            "Nothing was written into the city's files, and it could not be written down either: a restart takes the files. Make room on the disk; \
             `toritsugi status` says when it holds.",
            "市のファイルは書き換えていません。ただし版として書き込めなかったため、再起動するとファイルの内容に戻ります。ディスクを空けてください。書き込めたかは toritsugi status で分かります。",
        )
    } else if differs {
        Both::new(
            "Nothing was written into the city's files: what they say is NOT in force until one of them is changed. That holds over a restart, \
             too.",
            "市のファイルは書き換えていません。ファイルの内容は、どれかを変更するまで公開されません。再起動しても同じです。",
        )
    } else {
        Both::new("That is what the city's files say, too.", "市のファイルの内容も、この版と同じです。")
    });
    match failing {
        Some(failing) => said.and(&Both::new(
            format_args!("Its own tests fail today: {}", failing.en),
            format_args!("この版自身のテストは、きょうは不合格です。{}", failing.ja),
        )),
        None => said,
    }
}
