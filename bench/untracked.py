"""The lower limit of times: the same fit and a joblib dump, without tracking."""

import sys

import joblib
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.tree import DecisionTreeClassifier

X, y = load_iris(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, random_state=2)
model = DecisionTreeClassifier(max_depth=5, random_state=1)
print(cross_val_score(model, X_train, y_train, cv=5).mean())
model.fit(X_train, y_train)
print(model.score(X_test, y_test))
joblib.dump(model, sys.argv[1])
